"""Policies and labellers as classifiers of pairs: which of two responses does each think the better?

A policy's verdict is the sign of h = log(pi/pi_ref)(a) - log(pi/pi_ref)(b), as its loss reads it (online-offline gap,
arXiv 2405.08448, appendix E); the truth is the order of the true rewards. Pairs of one true reward have no order and
are left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, PairStream, Scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import log_means
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.encoding import encode_prompt
from tasks.models.generation import draw
from tasks.models.opening import open_frozen
from tasks.models.packing import EncodedGroup
from tasks.models.reference import score_groups
from tasks.models.sampling import InProcessSampler
from tasks.policy.fresh.row import ComparedRow
from tasks.policy.fresh.storing import read_stream
from tasks.reward.gold import gold_of
from tasks.reward.judged import Judged


class Classified(NamedTuple):
    """Pairs to classify, each with the truly better response first."""

    groups: list[EncodedGroup]
    points: list[str]
    """Part of the stream that each pair is from."""


def classify_stream(
    stream: PairStream,
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    parts: int,
    pairs_a_part: int,
    model: ModelConfig,
) -> Scores:
    """Whether ``policy`` (of a series the last) tells the better of pairs that another run drew, along that run.

    Metric ``preference_accuracy`` in {0, 0.5, 1}; points ``10%`` and so on of the stream, and all of it without a name.
    Pairs are numbered: every seed has prompts of its own.
    """
    found = sample_of(stream, parts, pairs_a_part)
    right = verdicts(found.groups, policy, reference, model)
    return store_accuracy(right, found.points)


def classify_by_label(stream: PairStream, parts: int, pairs_a_part: int) -> Scores:
    """The same for the labeller that the stream was recorded with: whether it preferred the truly better response."""
    rows = known_rows(stream)
    chosen = spread(rows, parts, pairs_a_part)
    right = [float(rows[place].gold[0] > rows[place].gold[1]) for _, place in chosen]
    return store_accuracy(right, [point for point, _ in chosen])


def classify_own_samples(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Whether a policy tells the better of two of its own responses a prompt (appendix E): ``preference_accuracy``.

    Raises UserError if no two responses of a prompt differ in their true reward.
    """
    checkpoint = policy.final if isinstance(policy, CheckpointSeries) else policy
    opened, tokenizer = open_frozen(checkpoint, model)
    rows = read_rows_of(prompts, PromptRow)
    samples = draw(InProcessSampler(opened, tokenizer, decoding.batch_rows), rows, decoding, 2, seed)
    golds = [one.reward for one in gold_of([Judged(row, row["response"], row["finished"]) for row in samples])]
    groups, places = [], []
    for place, row in enumerate(rows):
        first, second = golds[2 * place : 2 * place + 2]
        if first == second:
            continue
        order = (2 * place, 2 * place + 1) if first > second else (2 * place + 1, 2 * place)
        groups.append(EncodedGroup(encode_prompt(tokenizer, row["prompt"]), [samples[one]["ids"] for one in order]))
        places.append(row["prompt_id"])
    if not groups:
        raise UserError("no prompt has two responses of different true reward; take more prompts")
    right = verdicts(groups, policy, reference, model)
    log_means("eval", {"preference_accuracy": right}, 0)
    table = pd.DataFrame({"prompt_id": places, "metric": "preference_accuracy", "value": right, "point": ""})
    return store_scores(table)


def verdicts(
    groups: Sequence[EncodedGroup], policy: Checkpoint | CheckpointSeries, reference: Checkpoint, model: ModelConfig
) -> list[float]:
    """1 where the sign of h puts the first response of a group first, 0.5 where h is 0."""
    checkpoint = policy.final if isinstance(policy, CheckpointSeries) else policy
    trained, frozen = (np.array(score_groups(open_frozen(one, model)[0], groups)) for one in (checkpoint, reference))
    ratios = trained - frozen
    signs: list[float] = ((np.sign(ratios[:, 0] - ratios[:, 1]) + 1.0) / 2.0).tolist()
    return signs


def sample_of(stream: PairStream, parts: int, pairs_a_part: int) -> Classified:
    """Pairs of every part of a stream, the truly better response first."""
    rows = known_rows(stream)
    chosen = spread(rows, parts, pairs_a_part)
    return Classified([better_first(rows[place]) for _, place in chosen], [point for point, _ in chosen])


def known_rows(stream: PairStream) -> list[ComparedRow]:
    """Pairs of a stream whose true rewards are known and differ. Raises UserError if there is none."""
    rows = [row for row in read_stream(stream).rows if row.gold[0] != row.gold[1] and not np.isnan(row.gold).any()]
    if not rows:
        raise UserError("no pair of the stream has two known, different true rewards; record it in the tiny world")
    return rows


def spread(rows: Sequence[ComparedRow], parts: int, pairs_a_part: int) -> list[tuple[str, int]]:
    """Up to ``pairs_a_part`` evenly spread places of each of ``parts`` equal parts of ``rows``, each with its part."""
    found = []
    for number, places in enumerate(np.array_split(np.arange(len(rows)), parts), start=1):
        count = min(pairs_a_part, len(places))
        taken = places[np.linspace(0, len(places) - 1, count).round().astype(int)] if count else []
        found += [(f"{round(100 * number / parts)}%", int(place)) for place in taken]
    return found


def better_first(row: ComparedRow) -> EncodedGroup:
    """The first two responses of a row in the order of their true rewards."""
    first, second = row.group.responses[:2]
    return EncodedGroup(row.group.prompt, [first, second] if row.gold[0] > row.gold[1] else [second, first])


def store_accuracy(right: Sequence[float], points: Sequence[str]) -> Scores:
    """One score a pair at its point, and all of them again without one."""
    numbers = [f"pair-{place:06d}" for place in range(len(right))]
    table = pd.DataFrame({"prompt_id": numbers, "metric": "preference_accuracy", "value": right, "point": points})
    log_means("eval", {"preference_accuracy": right}, 0)
    current_tracker().metrics({"data/pairs": len(right)}, 0)
    return store_scores(pd.concat([table, table.assign(point="")], ignore_index=True))
