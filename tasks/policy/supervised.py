"""Loop 1: weighted negative log-likelihood. SFT, Preferred-FT and pretraining are its arms."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import DemonstrationRow, PairRow, PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.log_probs import ResponseScorer
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.policy.loop import LossOf, Metrics, snapshots_at, steps_of, train
from tasks.policy.objectives.likelihood import NegativeLogLikelihood
from tasks.policy.optimisation import SupervisedTraining
from tasks.policy.snapshots import Snapshots


def finetune_supervised(
    start: Checkpoint, demonstrations: DatasetRef, training: SupervisedTraining, model: ModelConfig, seed: int
) -> Checkpoint:
    """SFT: maximise the likelihood of the responses in ``demonstrations``, from ``start``."""
    rows = read_rows_of(demonstrations, DemonstrationRow)
    current_tracker().dataset(demonstrations, "training")
    return fit_responses(start, rows, [row["response"] for row in rows], training, model, seed).final


def finetune_preferred(
    start: Checkpoint, pairs: DatasetRef, training: SupervisedTraining, model: ModelConfig, seed: int
) -> CheckpointSeries:
    """Preferred-FT: supervised fine-tuning on the chosen responses of ``pairs``, from ``start``."""
    rows = read_rows_of(pairs, PairRow)
    current_tracker().dataset(pairs, "training")
    return fit_responses(start, rows, [row["chosen"] for row in rows], training, model, seed)


def fit_responses(
    start: Checkpoint,
    rows: Sequence[PromptRow],
    responses: Sequence[str],
    training: SupervisedTraining,
    config: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Fit one response a prompt, all with weight 1, from ``start``."""
    model, tokenizer = open_policy(start, config)
    groups = [
        EncodedGroup(encode_prompt(tokenizer, row["prompt"]), [encode_response(tokenizer, response)])
        for row, response in zip(rows, responses, strict=True)
    ]
    return fit_weighted(model, tokenizer, groups, torch.ones(len(groups)), training, seed)


def fit_weighted(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    groups: Sequence[EncodedGroup],
    weights: Tensor,
    training: SupervisedTraining,
    seed: int,
) -> CheckpointSeries:
    """Fit encoded groups of one response each, weighted by ``weights`` [rows], and keep the snapshots."""
    lengths = [len(group.prompt) + len(group.responses[0]) for group in groups]
    plan = steps_of(plan_batches(lengths, training.batch_size, seed, training.epochs), training)
    tracker = current_tracker()
    snapshots = Snapshots(model, tokenizer, tracker)
    steps = snapshots_at(len(plan), training.snapshots)
    train(
        ResponseScorer(model),
        plan,
        likelihood_loss(groups, weights),
        training,
        tracker,
        snapshots.take,
        steps,
    )
    tracker.metrics({"cost/tokens": sum(lengths[row] for batch in plan for row in batch)}, len(plan))
    return snapshots.series(steps)


def likelihood_loss(groups: Sequence[EncodedGroup], weights: Tensor) -> LossOf:
    """The loss that the loop takes: token-mean over the whole batch, however it is split."""
    objective = NegativeLogLikelihood()

    def loss_of(scorer: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        log_probs, lengths = scorer([groups[row] for row in rows])
        sums, counts = log_probs.squeeze(1), lengths.squeeze(1)
        loss, metrics = objective.loss(sums, counts, weights[rows].to(sums.device))
        batch_tokens = sum(len(groups[row].responses[0]) for row in batch)
        share_of_tokens = counts.sum() / batch_tokens
        return loss * share_of_tokens * len(batch) / len(rows), metrics

    return loss_of
