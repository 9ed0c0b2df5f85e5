"""How noisy a gradient estimator is: its gradients on resampled groups at fixed weights."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, Rewards, Samples, Scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import log_means
from tasks.evaluation.response_metrics import by_prompt
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt
from tasks.models.generation import SampleRow
from tasks.models.log_probs import ResponseScorer
from tasks.models.opening import open_frozen
from tasks.models.packing import EncodedGroup
from tasks.models.reference import score_groups
from tasks.policy.fresh.starting import open_trained
from tasks.policy.objectives.brain import BRAIn
from tasks.policy.objectives.scores import ScoredGroup
from tasks.reward.scoring import read_rewards


class Drawn(NamedTuple):
    """One group of a prompt's responses, with everything that an objective reads of it."""

    group: EncodedGroup
    reference: list[float]
    behaviour: list[float]
    rewards: list[float]


def measure_gradient_noise(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    samples: Samples,
    rewards: Rewards,
    objective: BRAIn,
    size: int,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Mean and variance of ``objective``'s gradient at a policy (of a series, the last), over groups of ``size``.

    ``samples``, whoever drew them, are cut prompt by prompt into groups of ``size`` responses in their order;
    ``rewards`` are theirs, row by row. Metrics, one value a prompt and over all trained weights together:
    ``gradient_variance``, the trace of the gradient's covariance between groups; ``log_gradient_variance``, as the
    variances of prompts span decades; ``gradient_norm``, the length of the mean. Every seed has prompts of its own, so
    they are numbered: estimators are paired prompt by prompt within a seed. ``seed`` starts adapters, if the policy
    trains some.

    Raises UserError if a prompt has fewer than two whole groups, or ``rewards`` are not those of ``samples``.
    """
    tracker = current_tracker()
    final = policy.final if isinstance(policy, CheckpointSeries) else policy
    opened, tokenizer = open_trained(final, model, seed)
    anchor, _ = open_frozen(reference, model)
    scorer = ResponseScorer(opened)
    prompts: list[PromptRow] = []
    variances, norms = [], []
    for row, drawn in cut(read_rows_of(samples, SampleRow), read_rewards(rewards), size, tokenizer):
        scored = score_groups(anchor, [one.group for one in drawn])
        groups = [one._replace(reference=scores) for one, scores in zip(drawn, scored, strict=True)]
        variance, norm = spread(gradient_of(scorer, objective, one) for one in groups)
        prompts.append(PromptRow(prompt_id=f"prompt-{len(prompts):06d}", prompt=row["prompt"], family=row["family"]))
        variances.append(variance)
        norms.append(norm)
        tracker.progress(len(prompts), samples.rows // len(drawn) // size, "prompts")
    logs = [math.log(max(variance, sys.float_info.min)) for variance in variances]
    metrics = {"gradient_variance": variances, "log_gradient_variance": logs, "gradient_norm": norms}
    log_means("eval", metrics, 0)
    return store_scores(by_prompt(prompts, metrics).assign(point=FINAL))


def cut(
    rows: Sequence[SampleRow], rewards: pd.DataFrame, size: int, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[SampleRow, list[Drawn]]]:
    """Prompts with their groups of ``size`` responses; the reference's scores are still missing. Raises UserError."""
    if [row["prompt_id"] for row in rows] != rewards["prompt_id"].tolist():
        raise UserError("these rewards are not those of these samples, row by row; score these samples")
    worth = rewards["reward"].tolist()
    for prompt_id, numbered in groupby(enumerate(rows), key=lambda item: item[1]["prompt_id"]):
        places = [place for place, _ in numbered]
        count = len(places) // size
        if count < 2:
            raise UserError(
                f"prompt {prompt_id} has {len(places)} samples, which make no two groups of {size}; draw more"
            )
        prompt = encode_prompt(tokenizer, rows[places[0]]["prompt"])
        parts = [places[number * size : (number + 1) * size] for number in range(count)]
        yield (
            rows[places[0]],
            [
                Drawn(
                    EncodedGroup(prompt, [list(rows[place]["ids"]) for place in part]),
                    [],
                    [rows[place]["log_prob"] for place in part],
                    [worth[place] for place in part],
                )
                for part in parts
            ],
        )


def gradient_of(scorer: ResponseScorer, objective: BRAIn, drawn: Drawn) -> Tensor:
    """The gradient of the objective on one group, [weights]."""
    policy, lengths = scorer([drawn.group])
    anchors = {
        name: torch.tensor([getattr(drawn, name)], device=policy.device, dtype=torch.float32)
        for name in objective.anchors_needed
    }
    columns = {"rewards": torch.tensor([drawn.rewards], device=policy.device)}
    loss, _ = objective.loss(ScoredGroup(policy, anchors, lengths, columns))
    weights = [weight for weight in scorer.parameters() if weight.requires_grad]
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return torch.cat([part.float().flatten() for part in found if part is not None])


def spread(gradients: Iterable[Tensor]) -> tuple[float, float]:
    """Trace of the unbiased covariance of two or more ``gradients`` [weights], and the length of their mean.

    Welford's recurrence: two gradients are in memory at a time.
    """
    mean, squares, count = torch.zeros(()), 0.0, 0
    for gradient in gradients:
        count += 1
        step = gradient - mean
        mean = mean + step / count
        squares += float((step * (gradient - mean)).sum())
    return squares / (count - 1), float(mean.norm())
