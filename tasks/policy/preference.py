"""Loop 2: a loss on log-probabilities of compared responses.

Online and offline are this loop with another source of pairs: here they come fixed, as an artifact with the
frozen models' scores of the same rows beside it.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.log_probs import ResponseScorer
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import disable_dropout
from tasks.models.scoring import read_log_probs
from tasks.policy.loop import LossOf, Metrics, snapshots_at, steps_of, train
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.snapshots import Snapshots


def optimise_preferences(
    start: Checkpoint,
    pairs: DatasetRef,
    reference: LogProbs,
    objective: Objective,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise ``objective`` on ``pairs`` from ``start``; ``reference`` holds the frozen model's scores of them."""
    tracker = current_tracker()
    tracker.dataset(pairs, "training")
    rows = read_rows_of(pairs, PairRow)
    anchors = {"reference": torch.tensor(read_log_probs(reference), dtype=torch.float32)}
    policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    groups = [encode_pair(tokenizer, row) for row in rows]
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in groups]
    plan = steps_of(plan_batches(lengths, training.batch_size, seed, training.epochs), training)
    snapshots = Snapshots(policy, tokenizer, tracker)
    steps = snapshots_at(len(plan), training.snapshots)
    loss_of = preference_loss(groups, anchors, objective)
    train(ResponseScorer(policy), plan, loss_of, training, tracker, snapshots.take, steps)
    tokens = sum(2 * len(groups[row].prompt) + sum(map(len, groups[row].responses)) for batch in plan for row in batch)
    tracker.metrics({"cost/tokens": tokens}, len(plan))
    return snapshots.series(steps)


def encode_pair(tokenizer: PreTrainedTokenizerBase, row: PairRow) -> EncodedGroup:
    """Token ids of a pair: chosen first, then rejected."""
    answers = [encode_response(tokenizer, row[side]) for side in ("chosen", "rejected")]
    return EncodedGroup(encode_prompt(tokenizer, row["prompt"]), answers)


def preference_loss(groups: Sequence[EncodedGroup], anchors: Mapping[str, Tensor], objective: Objective) -> LossOf:
    """The loss that the loop takes: ``objective`` on the groups' scores and on the anchors' scores [rows, group]."""

    def loss_of(scorer: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        policy, lengths = scorer([groups[row] for row in rows])
        frozen = {name: anchors[name][rows].to(policy.device) for name in objective.anchors_needed}
        return objective.loss(ScoredGroup(policy, frozen, lengths))

    return loss_of
