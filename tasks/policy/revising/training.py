"""Loop 2 over six log-probabilities a pair: the policy and its reviser, one model, learn from fixed pairs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.log_probs import ResponseScorer
from tasks.models.packing import EncodedGroup
from tasks.policy.fresh.row import tokens_of
from tasks.policy.fresh.starting import open_trained
from tasks.policy.loop import LossOf, Metrics, snapshots_at, steps_of, train
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.objectives.srpo import RESPONSES, SRPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.revising.scoring import encode_revisions, read_revision_log_probs
from tasks.policy.revising.settings import RevisionFormat
from tasks.policy.snapshots import Snapshots


def optimise_revisions(
    start: Checkpoint,
    pairs: DatasetRef,
    reference: LogProbs,
    revision: RevisionFormat,
    objective: SRPO,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise ``objective`` on ``pairs`` from ``start``; ``reference`` holds the frozen model's six scores a pair.

    Batches are those that ``optimise_preferences`` makes of the same pairs. ``cost/tokens`` counts what is scored:
    three contexts a pair, and so more than three times DPO's tokens, as drafts are read too.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "training")
    policy, tokenizer = open_trained(start, model, seed)
    contexts = [encode_revisions(tokenizer, row, revision) for row in read_rows_of(pairs, PairRow)]
    lengths = [len(groups[0].prompt) + sum(map(len, groups[0].responses)) for groups in contexts]
    plan = steps_of(plan_batches(lengths, training.batch_size, seed, training.epochs), training)
    snapshots = Snapshots(policy, tokenizer, tracker)
    steps = snapshots_at(len(plan), training.snapshots)
    frozen = torch.tensor(read_revision_log_probs(reference), dtype=torch.float32)
    loss_of = revision_loss(contexts, frozen, objective)
    train(ResponseScorer(policy), plan, loss_of, training, tracker, snapshots.take, steps)
    tokens = sum(tokens_of(group) for batch in plan for row in batch for group in contexts[row])
    tracker.metrics({"cost/tokens": tokens}, len(plan))
    return snapshots.series(steps)


def revision_loss(contexts: Sequence[Sequence[EncodedGroup]], frozen: Tensor, objective: SRPO) -> LossOf:
    """The loss that the loop takes: every pair's contexts scored in one batch; ``frozen`` [rows, 6]."""

    def loss_of(scorer: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        scores, lengths = scorer([group for row in rows for group in contexts[row]])
        policy, width = scores.view(len(rows), -1), len(RESPONSES)
        anchors = {"reference": frozen[rows].to(policy.device)}
        return objective.loss(ScoredGroup(policy, anchors, lengths.view(len(rows), width)))

    return loss_of
