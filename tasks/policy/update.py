"""Optimiser steps on the rollouts of one iteration."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tasks.policy.actor_critic import ActorCritic, TokenScores
from tasks.policy.experience import Experience, minibatches
from tasks.policy.loop import NonFiniteLoss, make_optimizer
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.steps.clipped_policy import Denominators


@dataclass(frozen=True)
class Learner:
    """A policy with its value model and the optimiser of both, in one parameter group each."""

    model: ActorCritic
    optimizer: Optimizer

    def parameters(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters by part; gradients are clipped part by part."""
        groups = self.optimizer.param_groups
        return {name: group["params"] for name, group in zip(("policy", "critic"), groups, strict=False)}


def make_learner(model: ActorCritic, training: ReinforcementTraining, value: ValueModel) -> Learner:
    """One optimiser; the value model has a learning rate of its own."""
    optimizer = make_optimizer(model.policy, training)
    own = [part for part in (model.critic, model.value_head) if part is not None]
    parameters = [one for part in own for one in part.parameters() if one.requires_grad]
    if parameters:
        optimizer.add_param_group({"params": parameters, "lr": value.learning_rate})
    return Learner(model, optimizer)


def update(
    learner: Learner,
    experience: Experience,
    method: PolicyGradient,
    training: ReinforcementTraining,
    seed: int,
    fresh: TokenScores | None = None,
) -> dict[str, float]:
    """``inner_epochs`` x ``minibatches`` steps; the mean of what each step logged.

    ``fresh``: the scores of ``experience``'s rows by the model as it is, with gradient, where there is one step only.

    Raises NonFiniteLoss if a loss or a gradient is NaN or infinite; the step is not taken.
    """
    generator = torch.Generator().manual_seed(seed)
    logged: list[dict[str, float]] = []
    for _ in range(training.inner_epochs):
        parts = minibatches(experience, training.minibatches, generator)
        logged += [_step(learner, part, method, training, fresh) for part in parts if part.trainable.any()]
    return {name: sum(one[name] for one in logged) / len(logged) for name in (logged[0] if logged else {})}


@dataclass(frozen=True)
class Divisors:
    """What the sums of a whole minibatch are divided by, so that the losses of its parts add up."""

    policy: Denominators
    value: Tensor


def divisors(part: Experience, method: PolicyGradient) -> Divisors:
    """Those of ``part``."""
    fitted = method.value.loss.fitted(part.mask, part.trainable)
    return Divisors(
        method.policy_loss.denominators(part.trainable, part.segments), method.value.loss.denominator(fitted)
    )


def losses(
    model: ActorCritic, part: Experience, method: PolicyGradient, over: Divisors, fresh: TokenScores | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of ``part`` with gradient, its share of a minibatch divided by ``over``; and detached metrics."""
    new = fresh or model(part.encoded())
    loss, metrics = method.policy_loss.loss(
        new.log_probs,
        part.old_log_probs,
        part.advantages,
        part.trainable,
        segments=part.segments,
        reference_log_probs=part.reference_log_probs,
        entropies=new.entropies,
        over=over.policy,
    )
    if model.value_head is None:
        return loss, metrics
    fitted = method.value.loss.fitted(part.mask, part.trainable)
    value_loss, more = method.value.loss.loss(new.values, part.values, part.returns, fitted, over.value)
    return loss + method.value.coefficient * value_loss, metrics | more


def micro_batches(part: Experience, rows: int) -> Iterable[Experience]:
    """Rows that are held in memory at once: all of them for 0."""
    count = len(part.groups)
    if not rows or rows >= count:
        return [part]
    return [part.select(torch.arange(start, min(start + rows, count))) for start in range(0, count, rows)]


def _step(
    learner: Learner,
    part: Experience,
    method: PolicyGradient,
    training: ReinforcementTraining,
    fresh: TokenScores | None = None,
) -> dict[str, float]:
    totals: dict[str, float] = {}
    over = divisors(part, method)
    for held in micro_batches(part, training.micro_batch_size):
        loss, metrics = losses(learner.model, held, method, over, fresh)
        loss.backward()
        _add(totals, {"loss": loss.detach(), **metrics}, len(held.groups) / len(part.groups))
    limit = training.max_grad_norm or math.inf
    for name, parameters in learner.parameters().items():
        totals[f"{name}_grad_norm"] = float(nn.utils.clip_grad_norm_(parameters, limit))
    for name, value in totals.items():
        if not math.isfinite(value):
            raise NonFiniteLoss(
                f"train/{name} became {value} with learning_rate {training.learning_rate:g}; the last good checkpoint "
                "is kept, lower learning_rate or max_grad_norm"
            )
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return totals


def _add(totals: dict[str, float], metrics: Mapping[str, Tensor], share: float) -> None:
    """Losses of the parts of a minibatch add up; other metrics are means weighted by ``share`` of its rows."""
    for name, value in metrics.items():
        weight = 1.0 if name.endswith("loss") else share
        totals[name] = totals.get(name, 0.0) + float(value) * weight
