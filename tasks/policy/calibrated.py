"""Loop 2 on fixed pairs with a third response each: a sample of the calibration policy, for VPO's value term."""

import torch
from torch import Tensor, nn

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Samples
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow
from tasks.models.log_probs import ResponseScorer
from tasks.models.packing import EncodedGroup
from tasks.models.scoring import read_log_probs
from tasks.policy.fresh.row import tokens_of
from tasks.policy.fresh.starting import open_trained
from tasks.policy.loop import LossOf, Metrics, snapshots_at, steps_of, train
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.preference import encode_pair
from tasks.policy.snapshots import Snapshots


def optimise_on_calibrated_pairs(
    start: Checkpoint,
    pairs: DatasetRef,
    reference: LogProbs,
    samples: Samples,
    objective: Objective,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise ``objective`` from ``start`` on groups of chosen, rejected and a response of the reference policy.

    ``reference`` holds the frozen model's scores of ``pairs``. ``samples`` are its own responses, one a pair in the
    order of the pairs, so that their ``log_prob`` is its score of them. Batches are those that the pairs alone have:
    an objective that does not look at the third response sees what ``optimise_preferences`` shows it.

    Raises UserError if ``samples`` are not one a pair, in the order of the pairs.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "training")
    rows, drawn = read_rows_of(pairs, PairRow), read_rows_of(samples, SampleRow)
    require_one_each(rows, drawn)
    policy, tokenizer = open_trained(start, model, seed)
    compared = [encode_pair(tokenizer, row) for row in rows]
    groups = [
        EncodedGroup(pair.prompt, [*pair.responses, list(one["ids"])])
        for pair, one in zip(compared, drawn, strict=True)
    ]
    frozen = [[*scores, one["log_prob"]] for scores, one in zip(read_log_probs(reference), drawn, strict=True)]
    lengths = [len(pair.prompt) + sum(map(len, pair.responses)) for pair in compared]
    plan = steps_of(plan_batches(lengths, training.batch_size, seed, training.epochs), training)
    snapshots = Snapshots(policy, tokenizer, tracker)
    steps = snapshots_at(len(plan), training.snapshots)
    loss_of = calibrated_loss(groups, torch.tensor(frozen, dtype=torch.float32), objective)
    train(ResponseScorer(policy), plan, loss_of, training, tracker, snapshots.take, steps)
    tracker.metrics({"cost/tokens": sum(tokens_of(groups[row]) for batch in plan for row in batch)}, len(plan))
    return snapshots.series(steps)


def require_one_each(pairs: list[PairRow], samples: list[SampleRow]) -> None:
    """Raise UserError unless ``samples`` answer the prompts of ``pairs``, one each and in their order."""
    if [row["prompt_id"] for row in pairs] != [row["prompt_id"] for row in samples]:
        raise UserError(
            f"{len(samples)} calibration samples are not one a pair of the {len(pairs)} pairs, in their order; sample "
            "one response to every row of the pairs themselves"
        )


def calibrated_loss(groups: list[EncodedGroup], frozen: Tensor, objective: Objective) -> LossOf:
    """The loss that the loop takes; ``frozen`` [rows, 3] are the reference's scores of ``groups``."""

    def loss_of(scorer: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        policy, lengths = scorer([groups[row] for row in rows])
        return objective.loss(ScoredGroup(policy, {"reference": frozen[rows].to(policy.device)}, lengths))

    return loss_of
