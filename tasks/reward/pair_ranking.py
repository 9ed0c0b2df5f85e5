"""How often a rule ranks labelled pairs as their labels do: explicit and implicit rewards, likelihood and length.

All of them are ``reward_accuracy`` in [0, 1], the mean over a prompt's pairs of 1[r(chosen) > r(rejected)], ties half.
"""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pandas as pd
from transformers import AutoTokenizer

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Scores
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_response
from tasks.models.opening import open_frozen
from tasks.models.reference import score_rows
from tasks.models.scoring import read_log_probs
from tasks.reward.report import right, scored_pairs
from tasks.reward.series import RewardSeries, names_of
from tasks.reward.sources import FittedReward

Margins = Sequence[float]
"""r(chosen) - r(rejected) of every pair."""


def rank_by_reward(series: RewardSeries, pairs: DatasetRef, model: ModelConfig) -> Scores:
    """Every reward model of ``series``: points ``step50`` and so on, the last one's name empty."""
    rows = read_pairs(pairs)
    source = FittedReward(standardise=False)
    tables = [scored_pairs(rows, source, [reward], model) for reward in series.rewards]
    margins = [(table["chosen"] - table["rejected"]).tolist() for table in tables]
    return store_accuracies(rows, dict(zip(names_of(series.steps), margins, strict=True)))


def rank_by_log_ratio(series: CheckpointSeries, pairs: DatasetRef, reference: LogProbs, model: ModelConfig) -> Scores:
    """The implicit reward of every policy of ``series``; beta scales it and changes no order.

    r(x, y) = log pi(y|x) - log pi_ref(y|x), summed over tokens (arXiv 2305.18290, Eq. 5); ``reference`` holds the
    second term of every pair.
    """
    rows, frozen = read_pairs(pairs), read_log_probs(reference)
    margins = [
        [(a - c) - (b - d) for (a, b), (c, d) in zip(log_probs(policy, rows, model), frozen, strict=True)]
        for policy in series.checkpoints
    ]
    return store_accuracies(rows, dict(zip(names_of(series.steps), margins, strict=True)))


def rank_by_likelihood(policy: Checkpoint | CheckpointSeries, pairs: DatasetRef, model: ModelConfig) -> Scores:
    """log pi(y|x) without a reference (of a series, the last policy's); of the SFT model, how likely it was anyway."""
    rows = read_pairs(pairs)
    final = policy.final if isinstance(policy, CheckpointSeries) else policy
    return store_accuracies(rows, {FINAL: [chosen - rejected for chosen, rejected in log_probs(final, rows, model)]})


def rank_by_length(training: DatasetRef, pairs: DatasetRef, tokenizer: Checkpoint) -> Scores:
    """The longer response wins, or the shorter one where that is right more often on the ``training`` pairs.

    Lengths are tokens of the tokenizer beside the checkpoint ``tokenizer``, EOS counted.
    """
    reader = AutoTokenizer.from_pretrained(Store().open(tokenizer), trust_remote_code=False)

    def excess(rows: Sequence[PairRow]) -> list[float]:
        sides = ((row["chosen"], row["rejected"]) for row in rows)
        lengths = [[len(encode_response(reader, text)) for text in texts] for texts in sides]
        return [float(chosen - rejected) for chosen, rejected in lengths]

    learned = right(np.array(excess(read_rows_of(training, PairRow)))).mean()
    sign = 1.0 if learned >= 0.5 else -1.0
    rows = read_pairs(pairs)
    return store_accuracies(rows, {FINAL: [sign * value for value in excess(rows)]})


def read_pairs(pairs: DatasetRef) -> list[PairRow]:
    """The rows, which the tracked run names as what it evaluates on."""
    current_tracker().dataset(pairs, "evaluation")
    return read_rows_of(pairs, PairRow)


def log_probs(policy: Checkpoint, rows: Sequence[PairRow], model: ModelConfig) -> list[list[float]]:
    """log pi of every pair's responses in nats, [rows][chosen, rejected]."""
    opened, tokenizer = open_frozen(policy, model)
    return score_rows(opened, tokenizer, [(row["prompt"], [row["chosen"], row["rejected"]]) for row in rows])


def store_accuracies(rows: Sequence[PairRow], margins: dict[str, Margins]) -> Scores:
    """``reward_accuracy`` of every prompt at every point."""
    frames = []
    for number, (point, values) in enumerate(margins.items(), start=1):
        correct = right(np.asarray(values, dtype=np.float64))
        by_prompt = pd.Series(correct, index=[row["prompt_id"] for row in rows]).groupby(level=0).mean()
        current_tracker().metrics({"held_out/reward_accuracy": fmean(correct)}, number)
        frames.append(pd.DataFrame({"prompt_id": by_prompt.index, "value": by_prompt.to_numpy()}).assign(point=point))
    return store_scores(pd.concat(frames, ignore_index=True).assign(metric="reward_accuracy"))
