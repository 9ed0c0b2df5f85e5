"""What self-revision is worth: every round of it measured as an arm's responses are."""

from collections.abc import Sequence

import pandas as pd

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import log_means
from tasks.evaluation.response_metrics import by_prompt, response_metrics, sample_table
from tasks.evaluation.rewarded import reward_metrics
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler
from tasks.policy.revising.sampling import revise
from tasks.policy.revising.settings import RevisionFormat
from tasks.reward.function import open_reward_function
from tasks.reward.sources import FittedReward


def measure_revisions(
    policy: Checkpoint | CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    revision: RevisionFormat,
    revisions: int,
    fitted: Sequence[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Answers of a policy (of a series, the last checkpoint) after 0 to ``revisions`` revisions: points ``N0`` and on.

    Metrics, as answers to the prompt alone: ``gold_reward`` and ``accuracy`` where they are known, ``proxy_reward`` of
    the reward models ``fitted``, ``finished``, ``response_tokens``, ``distinct_2``, and ``unchanged``, whether a
    revision left its draft as it was. Raises UserError if a draft makes a prompt too long for the model.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "evaluation")
    rows = read_rows_of(prompts, PromptRow)
    final = policy.final if isinstance(policy, CheckpointSeries) else policy
    opened, tokenizer = open_frozen(final, model)
    rewards = open_reward_function(FittedReward(), fitted, model)
    sampler = InProcessSampler(opened, tokenizer, decoding.batch_rows)
    frames: list[pd.DataFrame] = []
    drafts: list[str] = []
    for number, drawn in enumerate(revise(sampler, rows, decoding, revision, revisions, seed)):
        answers = [as_answer(row, one) for row, one in zip(rows, drawn, strict=True)]
        metrics = response_metrics(answers) | reward_metrics(rewards, answers)
        texts = [one["response"] for one in answers]
        if drafts:
            metrics["unchanged"] = [float(text == draft) for text, draft in zip(texts, drafts, strict=True)]
        drafts = texts
        frames.append(by_prompt(answers, metrics).assign(point=f"N{number}"))
        log_means("eval", metrics, number)
        tracker.progress(number + 1, revisions + 1, "rounds")
    tracker.table("samples.json", sample_table(answers, metrics))
    return store_scores(pd.concat(frames, ignore_index=True))


def as_answer(prompt: PromptRow, drawn: SampleRow) -> SampleRow:
    """A revision as an answer to the prompt itself, which is what it is judged as."""
    answer = drawn.copy()
    answer["prompt"] = prompt["prompt"]
    return answer
