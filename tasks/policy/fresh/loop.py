"""Loop 2, fresh: the same loss as on fixed pairs, and pairs that are drawn from the policy as it is trained."""

from collections.abc import Sequence

from torch import Tensor, nn

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, DatasetRef, FreshRun, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.log_probs import ResponseScorer
from tasks.models.opening import open_frozen
from tasks.models.parts import Scorable
from tasks.policy.fresh.choices import WholeGroup
from tasks.policy.fresh.drawing import Drawer
from tasks.policy.fresh.judging import open_judge
from tasks.policy.fresh.labellers import ImplicitLabels, Labeller
from tasks.policy.fresh.rounds import Rounds
from tasks.policy.fresh.row import loss_on, require_readable
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.fresh.starting import open_trained
from tasks.policy.fresh.storing import store_stream
from tasks.policy.loop import LossOf, Metrics, snapshots_at, train
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.snapshots import Snapshots


def optimise_on_fresh_pairs(
    start: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    labeller: Labeller,
    fitted: Sequence[RewardRef],
    objective: Objective,
    fresh: FreshPairs,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> FreshRun:
    """Minimise ``objective`` from ``start`` on pairs sampled and labelled on the way; the pairs are recorded.

    Takes ``training.max_steps`` optimiser steps. Raises UserError before the first sample if settings, data and
    ``fitted`` do not fit each other.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "training")
    refuse_misfits(start, reference, labeller, objective, fresh, training)
    policy, tokenizer = open_trained(start, model, seed)
    frozen: dict[str, Scorable] = {
        "reference": policy if fresh.reference == "moving" else open_frozen(reference, model)[0]
    }
    if fresh.behaviour != "current":
        shared = start.digest == reference.digest and fresh.reference == "fixed"
        frozen["start"] = frozen["reference"] if shared else open_frozen(start, model)[0]
    judge = open_judge(labeller, fitted, model, policy, frozen["reference"])
    models: dict[str, Scorable] = {"current": policy, "previous": policy, **frozen}
    drawer = Drawer(fresh, labeller, judge, models, objective.anchors_needed, tokenizer, seed)
    rounds = Rounds(
        drawer, read_rows_of(prompts, PromptRow), training.max_steps, training.batch_size, tracker.work / "rounds"
    )
    snapshots = Snapshots(policy, tokenizer, tracker)
    steps = snapshots_at(len(rounds), training.snapshots)
    train(ResponseScorer(policy), rounds, fresh_loss(rounds, objective), training, tracker, snapshots.take, steps)
    stream = store_stream(rounds.paths, rounds.batches)
    rounds.discard()
    costs = {"cost/tokens": rounds.tokens["trained"], "cost/sampled_tokens": rounds.tokens["sampled"]}
    tracker.metrics(costs, len(rounds))
    return FreshRun(series=snapshots.series(steps), stream=stream)


def refuse_misfits(
    start: Checkpoint,
    reference: Checkpoint,
    labeller: Labeller,
    objective: Objective,
    fresh: FreshPairs,
    training: PreferenceTraining,
) -> None:
    """Raise UserError where settings do not fit each other."""
    if not training.max_steps:
        raise UserError(
            "training.max_steps 0: fresh pairs do not end by themselves; say how many optimiser steps to take"
        )
    require_sampled_as_scored(objective, fresh)
    compared = fresh.per_prompt if isinstance(fresh.choice, WholeGroup) else 2
    require_readable(objective, compared, compared + fresh.calibration)
    undecided = start.digest == reference.digest and labeller.decide == "order"
    if isinstance(labeller, ImplicitLabels) and (undecided or fresh.reference == "moving"):
        raise UserError(
            "labeller implicit reads log(policy / reference), which is 0 where the policy is its own reference: "
            "start from a trained policy, and with reference fixed"
        )


def require_sampled_as_scored(objective: Objective, fresh: FreshPairs) -> None:
    """Raise UserError if the objective reads who sampled a response and sampling is not at temperature 1."""
    warped = fresh.temperatures != [1.0] or fresh.decoding.top_p != 1.0
    if "behaviour" in objective.anchors_needed and warped:
        raise UserError(
            "the objective reads the sampling policy's log-probabilities, which are those of temperature 1 without "
            "top_p; set temperatures to [1.0] and decoding.top_p to 1"
        )


def fresh_loss(rounds: Rounds, objective: Objective) -> LossOf:
    """The loss that the loop takes: ``objective`` on rows of the rounds drawn so far, with what the round was like."""

    def loss_of(scorer: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        loss, metrics = loss_on([rounds.rows[row] for row in rows], scorer, objective)
        return loss, metrics | {f"round/{name}": loss.new_tensor(value) for name, value in rounds.facts.items()}

    return loss_of
