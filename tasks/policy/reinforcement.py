"""Loop 3: policy gradient. Start states → rollouts → reward → shaping → filter → token rewards → advantages → update.

Every step is a field of ``PolicyGradient`` and lives in ``steps``; this file only passes tensors from one to the next.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.checkpoint import discard_checkpoints, restore_checkpoint, save_checkpoint
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Rewards
from tasks.engine.schema import UserError
from tasks.engine.tracking import Tracker, current_tracker
from tasks.models.config import ModelConfig
from tasks.models.opening import open_frozen, open_policy
from tasks.models.parts import Scorable, causal_lm, disable_dropout
from tasks.models.sampling import InProcessSampler
from tasks.policy.actor_critic import ActorCritic, new_value_head, open_critic
from tasks.policy.experience import Experience, from_state
from tasks.policy.iteration import Anchors, Judges, LoopState, adjust, gather, require_anchors
from tasks.policy.loop import rate, snapshots_at
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.rollouts import Collector
from tasks.policy.snapshots import Snapshots
from tasks.policy.update import Learner, make_learner, update
from tasks.reward.function import open_reward_function
from tasks.reward.scoring import read_rewards
from tasks.reward.sources import RewardSource


@dataclass(frozen=True)
class Run:
    """What stays the same over the iterations of a run."""

    rows: Sequence[PromptRow]
    plan: Sequence[Sequence[int]]
    collector: Collector
    reference: Scorable
    judges: Judges
    method: PolicyGradient
    training: ReinforcementTraining
    seed: int


def optimise_policy(
    start: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    source: RewardSource,
    fitted: Sequence[RewardRef],
    anchors: Sequence[Rewards],
    method: PolicyGradient,
    training: ReinforcementTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Maximise the reward function on ``prompts`` from ``start``, with KL to ``reference``.

    ``fitted`` are the reward models that ``source`` reads; the first of them may start the value model. ``anchors``
    hold rewards of reference responses to the same prompts, for shaping functions that compare.
    Raises UserError before the first rollout if method, budget and data do not fit each other.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "training")
    rows = read_rows_of(prompts, PromptRow)
    plan = plan_prompts(len(rows), method, training, seed)
    policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    frozen, _ = open_frozen(reference, model)
    critic, head = critic_for(policy, start, fitted, method, model, seed)
    actor_critic = ActorCritic(
        policy, critic, head, training.decoding.temperature, method.policy_loss.entropy_coefficient > 0.0
    ).train()
    judges = Judges(open_reward_function(source, fitted, model), read_anchors(anchors, method))
    require_anchors(rows, judges.anchors, method.shaping.anchors_needed)
    batch_rows = training.decoding.batch_rows
    collector = Collector(
        InProcessSampler(policy, tokenizer, batch_rows), InProcessSampler(frozen, tokenizer, batch_rows), tokenizer,
        method.start, training.decoding, method.per_prompt, seed,
    )  # fmt: skip
    run = Run(rows, plan, collector, frozen, judges, method, training, seed)
    snapshots = Snapshots(policy, tokenizer, tracker)
    steps = snapshots_at(training.iterations, training.snapshots)
    state = iterate(run, make_learner(actor_critic, training, method.value), tracker, snapshots, steps)
    tracker.metrics({"cost/tokens": state.tokens}, training.iterations)
    return snapshots.series(steps)


def iterate(
    run: Run, learner: Learner, tracker: Tracker, snapshots: Snapshots, snapshot_steps: Sequence[int]
) -> LoopState:
    """All iterations, from the newest whole checkpoint on; the weights are then those of an uninterrupted run."""
    training = run.training
    schedule = LambdaLR(learner.optimizer, partial(rate, settings=training, steps=training.iterations))
    folder = tracker.work / "checkpoints"
    state, first, history = resume(folder, run, learner, schedule)
    for step, values in history:
        tracker.metrics(values, step)
    for iteration in range(first, training.iterations):
        state, metrics = take_iteration(run, learner, state, iteration)
        metrics["train/learning_rate"] = float(schedule.get_last_lr()[0])
        schedule.step()
        done = iteration + 1
        if done % training.log_every_steps == 0 or done == training.iterations:
            tracker.metrics(metrics, done)
            history.append((done, metrics))
        tracker.progress(done, training.iterations)
        if done in snapshot_steps:
            snapshots.take(done)
        if done % training.checkpoint_every_steps == 0 and done < training.iterations:
            extra = {"history": history, "state": plain(state)}
            save_checkpoint(folder, done, learner.model, learner.optimizer, schedule, extra, buffered(state))
    discard_checkpoints(folder)
    return state


def take_iteration(run: Run, learner: Learner, state: LoopState, iteration: int) -> tuple[LoopState, dict[str, float]]:
    """Sample, score, train; what was logged, under its whole names.

    Raises UserError naming the iteration if the reward function fails or training diverges.
    """
    seconds: dict[str, float] = {}
    rng = np.random.default_rng([run.seed, iteration])
    rows = [run.rows[index] for index in run.plan[iteration]]
    try:
        with clock(seconds, "sample"):
            rollouts = run.collector.collect(rows, iteration)
        with clock(seconds, "score"):
            experience, state, logged, fresh = gather(
                rollouts, learner.model, run.reference, run.judges, run.method, run.collector.tokenizer, state, rng,
                steps_on_all_rows(run.method, run.training),
            )  # fmt: skip
        experience, state = exchange(experience, state, run.method, rng)
        with clock(seconds, "train"):
            trained = update(learner, experience, run.method, run.training, int(rng.integers(2**31)), fresh)
    except UserError as error:
        raise type(error)(f"iteration {iteration + 1}: {error}") from error
    metrics = {name: float(value) for name, value in logged.items()} | trained
    metrics["kl_coefficient"] = state.kl_coefficient
    observed = run.method.kl.next_coefficient(state.kl_coefficient, metrics["kl_k1"], len(rollouts))
    tokens = sum(len(one.ids) - one.forced for one in rollouts)
    costs = {f"cost/{name}_seconds": spent for name, spent in seconds.items()}
    costs["cost/response_tokens_per_second"] = tokens / sum(seconds.values())
    return replace(state, kl_coefficient=observed), {f"train/{name}": value for name, value in metrics.items()} | costs


def steps_on_all_rows(method: PolicyGradient, training: ReinforcementTraining) -> bool:
    """Whether an iteration's one step is on all its rows as sampled: the forward pass of old scores is then the step's.

    It saves one of five passes.
    """
    one_step = training.inner_epochs == training.minibatches == 1
    whole = not training.micro_batch_size or training.micro_batch_size >= training.rollouts
    return one_step and whole and method.filter.kind == "keep_all" and method.buffer_batches == 1


def exchange(
    experience: Experience, state: LoopState, method: PolicyGradient, rng: np.random.Generator
) -> tuple[Experience, LoopState]:
    """PAR's replay buffer: the new batch goes in and, once it is full, a random held one comes out."""
    if method.buffer_batches == 1:
        return experience, state
    held = (*state.buffer, experience)
    if len(held) <= method.buffer_batches:
        return experience, replace(state, buffer=held)
    chosen = int(rng.integers(len(held)))
    return held[chosen], replace(state, buffer=held[:chosen] + held[chosen + 1 :])


def plan_prompts(prompts: int, method: PolicyGradient, training: ReinforcementTraining, seed: int) -> list[list[int]]:
    """Prompt rows of every iteration: each epoch shuffles all prompts, and what would not fill a batch is left out.

    Raises UserError if the rollouts of an iteration are not whole groups, there are too few prompts, or the KL
    controller's horizon is too short for so many rollouts.
    """
    method.kl.next_coefficient(method.kl.coefficient, 0.0, training.rollouts)
    if method.advantage.reads_groups and method.per_prompt < 2:
        raise UserError(
            f"advantage {method.advantage.kind} compares responses to one prompt; give per_prompt 2 or more"
        )
    count, rest = divmod(training.rollouts, method.per_prompt)
    if rest or not count:
        raise UserError(
            f"rollouts {training.rollouts} of an iteration are not a multiple of {method.per_prompt} responses a prompt"
        )
    if count > prompts:
        raise UserError(f"an iteration wants {count} prompts and there are {prompts}; lower rollouts or add prompts")
    plan: list[list[int]] = []
    epoch = 0
    while len(plan) < training.iterations:
        order = np.random.default_rng([seed, epoch]).permutation(prompts).tolist()
        plan += [order[start : start + count] for start in range(0, prompts - count + 1, count)]
        epoch += 1
    return plan[: training.iterations]


def critic_for(
    policy: nn.Module,
    start: Checkpoint,
    fitted: Sequence[RewardRef],
    method: PolicyGradient,
    config: ModelConfig,
    seed: int,
) -> tuple[nn.Module | None, nn.Linear | None]:
    """The value model's trunk and head as ``method.value`` says. Raises UserError if it wants a reward model."""
    value = method.value
    if value.trunk == "none" or not method.advantage.reads_values:
        return None, None
    if value.trunk == "shared":
        lm = causal_lm(policy)
        return None, new_value_head(lm.config.hidden_size, seed).to(lm.device)
    if value.start == "reward" and not fitted:
        raise UserError("value.start is 'reward' and no reward model was fitted; fit one or start from 'policy'")
    return open_critic(fitted[0] if value.start == "reward" else start, config, seed)


def read_anchors(refs: Sequence[Rewards], method: PolicyGradient) -> Anchors:
    """Rewards of the reference responses of every prompt in the order of their samples, adjusted as the rollouts'."""
    found: dict[str, list[float]] = {}
    for ref in refs:
        table = read_rewards(ref).sort_values("sample", kind="stable")
        rewards, finished, lengths = (
            torch.tensor(table[name].to_numpy()) for name in ("reward", "finished", "response_tokens")
        )
        table["adjusted"] = adjust(rewards, finished, lengths, method).numpy()
        for prompt_id, group in table.groupby("prompt_id", sort=False):
            found.setdefault(str(prompt_id), []).extend(group["adjusted"].tolist())
    return found


def resume(
    folder: Path, run: Run, learner: Learner, schedule: LambdaLR
) -> tuple[LoopState, int, list[tuple[int, dict[str, float]]]]:
    """State, first iteration to take and what was logged before it; from the start where nothing was kept."""
    found = restore_checkpoint(folder, learner.model, learner.optimizer, schedule)
    if not found:
        return LoopState(run.method.kl.coefficient), 0, []
    kept = dict(found.extra["state"])
    batches = tuple(from_state(found.tensors, str(number)) for number in range(kept.pop("buffered")))
    device = causal_lm(learner.model.policy).device
    state = LoopState(**kept, buffer=tuple(batch.to(device) for batch in batches))
    return state, found.step, [tuple(row) for row in found.extra["history"]]


def plain(state: LoopState) -> dict[str, object]:
    """The part of ``state`` that is JSON."""
    return {
        "kl_coefficient": state.kl_coefficient,
        "statistics": state.statistics,
        "baseline": state.baseline,
        "tokens": state.tokens,
        "buffered": len(state.buffer),
    }


def buffered(state: LoopState) -> dict[str, Tensor]:
    """The part of ``state`` that is tensors."""
    return {
        name: value for number, batch in enumerate(state.buffer) for name, value in batch.state(str(number)).items()
    }


@contextmanager
def clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the wall seconds spent inside to ``seconds[name]``."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
