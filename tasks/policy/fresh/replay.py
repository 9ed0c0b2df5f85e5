"""A recorded stream of pairs gone through again, in its order or another: the offline half of a tandem experiment."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from tasks.engine.refs import Checkpoint, CheckpointSeries, PairStream
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.log_probs import ResponseScorer
from tasks.policy.fresh.row import loss_on, require_anchors, require_readable, tokens_of
from tasks.policy.fresh.settings import Replayed
from tasks.policy.fresh.starting import open_trained
from tasks.policy.fresh.storing import read_stream
from tasks.policy.loop import Metrics, snapshots_at, steps_of, train
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.snapshots import Snapshots


def optimise_on_stream(
    start: Checkpoint,
    stream: PairStream,
    objective: Objective,
    replayed: Replayed,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise ``objective`` on the recorded batches; as recorded and with the same settings, the same weights.

    ``training.batch_size`` and ``epochs`` have no say: batches are as large as they were, ``replayed.passes`` of them.
    Raises UserError if the stream lacks what the objective reads.
    """
    tracker = current_tracker()
    rows, recorded = read_stream(stream)
    require_anchors(rows, objective)
    require_readable(objective, len(rows[0].rewards), len(rows[0].group.responses))
    plan = steps_of(reordered(recorded, replayed, seed), training)
    policy, tokenizer = open_trained(start, model, seed)
    snapshots = Snapshots(policy, tokenizer, tracker)
    steps = snapshots_at(len(plan), training.snapshots)

    def loss_of(scorer: nn.Module, places: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        return loss_on([rows[place] for place in places], scorer, objective)

    train(ResponseScorer(policy), plan, loss_of, training, tracker, snapshots.take, steps)
    tracker.metrics({"cost/tokens": sum(tokens_of(rows[place].group) for batch in plan for place in batch)}, len(plan))
    return snapshots.series(steps)


def reordered(plan: Sequence[list[int]], replayed: Replayed, seed: int) -> list[list[int]]:
    """``plan`` ``passes`` times over; shuffling moves rows between batches and keeps the sizes of batches.

    Every pass is shuffled anew. Within blocks: rows stay within their ``block_batches`` consecutive batches.
    """
    size = {"recorded": 1, "blocks": replayed.block_batches, "uniform": max(1, len(plan))}[replayed.order]
    found: list[list[int]] = []
    for number in range(replayed.passes):
        rng = np.random.default_rng([seed, number])
        for start in range(0, len(plan), size):
            block = list(plan[start : start + size])
            found += block if replayed.order == "recorded" else _shuffled(block, rng)
    return found


def _shuffled(block: Sequence[list[int]], rng: np.random.Generator) -> list[list[int]]:
    order = rng.permutation([place for batch in block for place in batch])
    borders = np.cumsum([len(batch) for batch in block])[:-1]
    return [part.tolist() for part in np.split(order, borders)]
