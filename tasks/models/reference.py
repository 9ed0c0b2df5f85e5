"""Scores of fixed responses under a frozen model: computed once, kept as an artifact beside the data."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from tasks.data.rows import Message
from tasks.models.batching import plan_scoring
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.log_probs import response_log_probs
from tasks.models.packing import EncodedGroup, require_fit
from tasks.models.parts import Scorable, context_length, evaluating

MAX_TOKENS = 8192
"""Tokens of a scoring batch by default, padding included."""


def score_rows(
    model: Scorable,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[tuple[Sequence[Message], Sequence[str]]],
    max_tokens_per_batch: int = MAX_TOKENS,
) -> list[list[float]]:
    """log pi(response + EOS | prompt) in nats for rows of (prompt messages, responses), in the rows' order.

    Raises:
        UserError: a row is longer than the model's context, or the tokenizer cannot encode it.
    """
    groups = [
        EncodedGroup(encode_prompt(tokenizer, prompt), [encode_response(tokenizer, text) for text in responses])
        for prompt, responses in rows
    ]
    return score_groups(model, groups, max_tokens_per_batch)


def score_groups(
    model: Scorable, groups: Sequence[EncodedGroup], max_tokens_per_batch: int = MAX_TOKENS
) -> list[list[float]]:
    """The same for token ids as they are, e.g. samples cut off before EOS; groups may differ in size.

    Raises:
        UserError: a row is longer than the model's context.
    """
    require_fit(groups, context_length(model))
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in groups]
    scores: dict[int, list[float]] = {}
    with evaluating(model):
        for batch in plan_scoring(lengths, max_tokens_per_batch):
            sums = iter(response_log_probs(model, [groups[index] for index in batch]).sums().tolist())
            for index in batch:
                scores[index] = [next(sums) for _ in groups[index].responses]
    return [scores[index] for index in range(len(groups))]
