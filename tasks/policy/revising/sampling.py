"""Self-revision at test time: an answer, its revision, the revision's revision."""

from collections.abc import Iterator, Sequence

from tasks.data.rows import PromptRow
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow, draw
from tasks.models.sampling import InProcessSampler, row_seeds
from tasks.policy.revising.settings import RevisionFormat
from tasks.policy.revising.turns import revision_prompt


def revise(
    sampler: InProcessSampler,
    prompts: Sequence[PromptRow],
    decoding: Decoding,
    revision: RevisionFormat,
    revisions: int,
    seed: int,
) -> Iterator[list[SampleRow]]:
    """Answers y0 ~ pi(. | x), then ``revisions`` times y_k+1 ~ pi(. | x, y_k); one list a round, in prompts' order.

    The first round is that of ``draw`` with the same seed. Rows carry the prompt that the model saw: from the second
    round on with the draft. Raises UserError if a prompt with its draft and ``max_new_tokens`` does not fit.
    """
    drawn = draw(sampler, list(prompts), decoding, 1, seed)
    yield drawn
    for next_seed in row_seeds(seed, [f"revision/{number}" for number in range(1, revisions + 1)]):
        asked = [
            PromptRow(
                prompt_id=row["prompt_id"],
                prompt=revision_prompt(row["prompt"], draft["response"], revision),
                family=row["family"],
            )
            for row, draft in zip(prompts, drawn, strict=True)
        ]
        drawn = draw(sampler, asked, decoding, 1, next_seed)
        yield drawn
