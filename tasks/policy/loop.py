"""The one loop over optimiser steps: what is scored and which loss is taken are arguments."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from tasks.engine.checkpoint import discard_checkpoints, restore_checkpoint, save_checkpoint
from tasks.engine.schema import UserError
from tasks.engine.tracking import Tracker
from tasks.policy.optimisation import Optimisation, Optimiser

Metrics = dict[str, Tensor]
LossOf = Callable[[nn.Module, list[int], list[int]], tuple[Tensor, Metrics]]
"""(module, rows, batch) → the rows' part of the batch's loss and metrics, both means over ``rows``.

``rows`` is what this process holds of ``batch`` at once, so a loss that divides by something of the whole batch
(its number of tokens) can."""
AtStep = Callable[[int], None]


class NonFiniteLoss(UserError):
    """Training reached NaN or infinity; the last good checkpoint is kept."""


def train(
    module: nn.Module,
    plan: Sequence[list[int]],
    loss_of: LossOf,
    settings: Optimisation,
    tracker: Tracker,
    snapshot: AtStep = lambda step: None,
    snapshot_steps: Iterable[int] = (),
) -> None:
    """Take one optimiser step a batch of ``plan`` on the trainable parameters of ``module``.

    ``snapshot`` is called after each of ``snapshot_steps``. Training picks up from the newest whole checkpoint in
    the tracker's work folder and then ends with the same weights, bit for bit on CPU, as an uninterrupted run.
    Every process of a distributed run takes its share of each batch.

    Raises:
        NonFiniteLoss: the loss or the gradient is NaN or infinite; names the step and the learning rate.
    """
    accelerator = Accelerator()
    if settings.batch_size % accelerator.num_processes:
        raise UserError(
            f"batch_size {settings.batch_size} cannot be shared equally by {accelerator.num_processes} processes"
        )
    optimizer = make_optimizer(module, settings)
    schedule = LambdaLR(optimizer, partial(rate, settings=settings, steps=len(plan)))
    folder = tracker.work / "checkpoints"
    found = restore_checkpoint(folder, module, optimizer, schedule)
    history: list[tuple[int, dict[str, float]]] = [tuple(row) for row in found.extra["history"]] if found else []
    for step, values in history:
        tracker.metrics(values, step)
    model, prepared = accelerator.prepare(module, optimizer)
    model.train()
    wanted = frozenset(snapshot_steps)
    for step in range(found.step if found else 0, len(plan)):
        metrics = _step(accelerator, model, prepared, plan[step], loss_of, settings, step)
        metrics["train/learning_rate"] = float(schedule.get_last_lr()[0])
        schedule.step()
        done = step + 1
        if done % settings.log_every_steps == 0 or done == len(plan):
            tracker.metrics(metrics, done)
            history.append((done, metrics))
        tracker.progress(done, len(plan))
        if done in wanted:
            snapshot(done)
        if done % settings.checkpoint_every_steps == 0 and done < len(plan) and accelerator.is_main_process:
            save_checkpoint(folder, done, module, optimizer, schedule, {"history": history})
    discard_checkpoints(folder)


def make_optimizer(module: nn.Module, settings: Optimiser) -> Optimizer:
    """The optimiser over ``module``'s trainable parameters. Raises ValueError if there is none."""
    parameters = [value for value in module.parameters() if value.requires_grad]
    if not parameters:
        raise ValueError("no parameter requires a gradient: was the model copied from a frozen reference?")
    if settings.optimizer == "rmsprop":
        return RMSprop(parameters, lr=settings.learning_rate)
    betas = (settings.beta1, settings.beta2)
    return AdamW(parameters, lr=settings.learning_rate, betas=betas, weight_decay=settings.weight_decay, fused=True)


def rate(step: int, settings: Optimiser, steps: int) -> float:
    """Learning rate at ``step`` (from 0) of ``steps``, as a share of the peak."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    passed = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    left = {"constant": 1.0, "linear": 1.0 - passed, "cosine": 0.5 * (1.0 + math.cos(math.pi * passed))}
    share = left[settings.schedule]
    return settings.final_rate + (1.0 - settings.final_rate) * share


def steps_of(batches: list[list[int]], settings: Optimisation) -> list[list[int]]:
    """The batches that will be taken: all of them, or the first ``max_steps``."""
    return batches[: settings.max_steps] if settings.max_steps else batches


def parameter_count(module: nn.Module) -> int:
    """Parameters of ``module``, shared ones counted once."""
    return sum(value.numel() for value in module.parameters())


def snapshots_at(steps: int, count: int) -> list[int]:
    """``count`` steps spread evenly up to and with the last."""
    return sorted({round(steps * part / count) for part in range(1, count + 1)} - {0})


def _step(
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: Optimizer,
    batch: list[int],
    loss_of: LossOf,
    settings: Optimisation,
    step: int,
) -> dict[str, float]:
    mine = batch[accelerator.process_index :: accelerator.num_processes]
    size = settings.micro_batch_size or len(mine)
    totals: dict[str, Tensor] = {}
    for start in range(0, len(mine), size):
        rows = mine[start : start + size]
        share = len(rows) / len(mine)
        loss, metrics = loss_of(model, rows, batch)
        accelerator.backward(loss * share)
        _add(totals, {"loss": loss.detach(), **metrics}, share)
    norm = accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm or math.inf)
    values = {f"train/{name}": float(accelerator.reduce(value, "mean")) for name, value in totals.items()}
    values["train/grad_norm"] = float(norm)
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise NonFiniteLoss(
            f"{bad[0]} became {values[bad[0]]} at step {step + 1} with learning_rate {settings.learning_rate:g}; "
            "the last good checkpoint is kept, lower learning_rate or max_grad_norm"
        )
    optimizer.step()
    optimizer.zero_grad()
    return values


def _add(totals: dict[str, Tensor], metrics: Mapping[str, Tensor], share: float) -> None:
    for name, value in metrics.items():
        totals[name] = totals.get(name, torch.zeros((), device=value.device)) + value.detach() * share
