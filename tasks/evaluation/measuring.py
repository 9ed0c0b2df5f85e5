"""Sampling from policies and measuring what they say. A ``point`` names a checkpoint or a temperature of an arm."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from tasks.data.rows import DemonstrationRow, PairRow, PromptRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Samples, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.response_metrics import (
    by_prompt,
    divergence_metrics,
    encoded,
    gold_metrics,
    response_metrics,
    sample_table,
)
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow, draw
from tasks.models.opening import open_frozen
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable
from tasks.models.reference import score_rows
from tasks.models.sampling import InProcessSampler
from tasks.models.scoring import read_log_probs


class Point(NamedTuple):
    """One policy, decoded one way."""

    name: str
    policy: Checkpoint
    decoding: Decoding


class Drawn(NamedTuple):
    """Responses of one point with the two models whose divergence they show."""

    samples: list[SampleRow]
    groups: list[EncodedGroup]
    """The prompts and responses as token ids, in the samples' order."""
    policy: Scorable
    reference: Scorable
    as_trained: bool
    """Whether the responses are drawn from the policy as it was trained: at temperature 1, from all tokens."""


Probe = Callable[[Drawn], Mapping[str, list[float]]]
"""A further measurement of every sample: metric to one value a sample."""


def measure_checkpoint(
    policy: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Sample one response a prompt from ``policy`` and measure it (see ``measure``)."""
    return measure([Point(FINAL, policy, decoding)], reference, prompts, model, seed)


def measure_series(
    series: CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Measure every checkpoint of a training run: the points of its reward-KL frontier, named ``25%`` and so on."""
    return measure(points_of(series, decoding), reference, prompts, model, seed)


def measure_temperatures(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    temperatures: list[float],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Measure one policy at several temperatures, otherwise decoded as ``decoding``; points ``T0.25`` and so on."""
    checkpoint = policy.final if isinstance(policy, CheckpointSeries) else policy
    points = [
        Point(f"T{temperature:g}", checkpoint, decoding.model_copy(update={"temperature": temperature}))
        for temperature in temperatures
    ]
    return measure(points, reference, prompts, model, seed)


def measure_samples(samples: Samples) -> Scores:
    """Measure responses that were sampled, or chosen among samples, before: everything but the KL."""
    rows = read_rows_of(samples, SampleRow)
    metrics = response_metrics(rows)
    log_means("eval", metrics, 0)
    current_tracker().table("samples.json", sample_table(rows, metrics))
    return store_scores(by_prompt(rows, metrics).assign(point=FINAL))


def measure_demonstrations(demonstrations: DatasetRef) -> Scores:
    """Gold reward of the demonstrators' own answers: what the paper calls reference summaries."""
    rows = read_rows_of(demonstrations, DemonstrationRow)
    metrics = gold_metrics(rows, [row["response"] for row in rows], [True] * len(rows))
    log_means("eval", metrics, 0)
    return store_scores(by_prompt(rows, metrics).assign(point=FINAL))


def measure_pairs(
    series: CheckpointSeries, held_out: DatasetRef, reference: LogProbs, beta: float, model: ModelConfig
) -> Scores:
    """Implicit reward of every checkpoint on held-out pairs.

    Metrics: ``implicit_accuracy`` (chosen has the larger log pi - log pi_ref; ties half), ``margin`` (beta times the
    difference, the reward of DPO, arXiv 2305.18290, Eq. 5), ``chosen_log_ratio`` and ``rejected_log_ratio``. A prompt
    with several pairs brings their mean.
    """
    rows = read_rows_of(held_out, PairRow)
    current_tracker().dataset(held_out, "evaluation")
    frozen = read_log_probs(reference)
    frames = []
    for step, point, checkpoint in zip(series.steps, point_names(len(series.steps)), series.checkpoints, strict=True):
        policy, tokenizer = open_frozen(checkpoint, model)
        scores = score_rows(policy, tokenizer, [(row["prompt"], [row["chosen"], row["rejected"]]) for row in rows])
        metrics = pair_metrics(scores, frozen, beta)
        log_means("held_out", metrics, step)
        means = by_prompt(rows, metrics).groupby(["prompt_id", "metric"], as_index=False).agg({"value": "mean"})
        frames.append(means.assign(point=point))
    return store_scores(pd.concat(frames, ignore_index=True))


def measure(
    points: Sequence[Point],
    reference: Checkpoint,
    prompts: DatasetRef,
    model: ModelConfig,
    seed: int,
    probe: Probe | None = None,
) -> Scores:
    """Sample one response a prompt at every point and measure it; ``probe`` adds what it measures.

    Metrics: ``gold_reward`` and ``accuracy`` (where the data has a gold reward, and the family a verifier), ``kl``
    (sampled: log pi - log pi_ref of the response), ``token_kl`` (exact per-token KL summed over the response),
    ``response_tokens``, ``distinct_2``. The two KLs are those of the policy as trained and are left out where it is
    decoded at another temperature than 1.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "evaluation")
    rows = read_rows_of(prompts, PromptRow)
    anchor, tokenizer = open_frozen(reference, model)
    frames = []
    for done, point in enumerate(points, start=1):
        policy, _ = open_frozen(point.policy, model)
        samples = draw(InProcessSampler(policy, tokenizer, point.decoding.batch_rows), rows, point.decoding, 1, seed)
        metrics = response_metrics(samples)
        as_trained = point.decoding.temperature == 1.0 and point.decoding.top_p == 1.0
        groups = encoded(tokenizer, samples)
        if as_trained:
            metrics |= divergence_metrics(policy, anchor, groups, samples)
        if probe is not None:
            metrics |= probe(Drawn(samples, groups, policy, anchor, as_trained))
        frames.append(by_prompt(samples, metrics).assign(point=point.name))
        log_means("eval", metrics, done)
        tracker.progress(done, len(points), "policies")
    tracker.table("samples.json", sample_table(samples, metrics))
    return store_scores(pd.concat(frames, ignore_index=True))


def points_of(series: CheckpointSeries, decoding: Decoding) -> list[Point]:
    """Every checkpoint of a training run as a point, named by its share of the run."""
    names = point_names(len(series.steps))
    return [Point(name, policy, decoding) for name, policy in zip(names, series.checkpoints, strict=True)]


def point_names(snapshots: int) -> list[str]:
    """Names of evenly spread checkpoints by their share of the run: ``25%``, ``50%``, ``75%`` and the final one."""
    return [f"{round(100 * part / snapshots)}%" for part in range(1, snapshots)] + [FINAL]


def pair_metrics(
    scores: Sequence[Sequence[float]], frozen: Sequence[Sequence[float]], beta: float
) -> dict[str, list[float]]:
    """Implicit-reward metrics of pairs from [rows][chosen, rejected] log-probabilities of policy and reference."""
    ratios = [(a - c, b - d) for (a, b), (c, d) in zip(scores, frozen, strict=True)]
    return {
        "implicit_accuracy": [1.0 if chosen > other else 0.5 if chosen == other else 0.0 for chosen, other in ratios],
        "margin": [beta * (chosen - other) for chosen, other in ratios],
        "chosen_log_ratio": [chosen for chosen, _ in ratios],
        "rejected_log_ratio": [rejected for _, rejected in ratios],
    }


def log_means(prefix: str, metrics: Mapping[str, Sequence[float]], step: int) -> None:
    """Track the mean of every metric."""
    current_tracker().metrics({f"{prefix}/{name}": sum(v) / len(v) for name, v in metrics.items() if v}, step)
