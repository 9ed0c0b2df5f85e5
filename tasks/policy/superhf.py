"""SuperHF's loop: superbatch → best by reward → one step of likelihood with a KL prior → the next prompts.

(arXiv 2310.16763, algorithm 1.) Unlike in the published code a loss that is not finite ends the run with its last
checkpoint kept, where there the minibatch is passed over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.checkpoint import discard_checkpoints, restore_checkpoint, save_checkpoint
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import Tracker, current_tracker
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt
from tasks.models.log_probs import pack_for, scored_hidden_states
from tasks.models.opening import open_frozen, open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable, disable_dropout, real_logits
from tasks.models.sampling import InProcessSampler, row_seeds
from tasks.policy.loop import NonFiniteLoss, make_optimizer, rate, snapshots_at
from tasks.policy.reward_step import score_rollouts
from tasks.policy.rollouts import Rollout
from tasks.policy.snapshots import Snapshots
from tasks.policy.superhf_choice import Completion, best_of_prompts, first_turn
from tasks.policy.superhf_settings import SuperHFMethod, SuperHFTraining
from tasks.reward.function import RewardFunction, open_reward_function
from tasks.reward.judged import Judged
from tasks.reward.scoring import known_gold
from tasks.reward.sources import RewardSource


@dataclass(frozen=True)
class Run:
    """What stays the same over the groups of a run."""

    rows: Sequence[PromptRow]
    plan: Sequence[Sequence[int]]
    policy: nn.Module
    prior: Scorable
    tokenizer: PreTrainedTokenizerBase
    reward: RewardFunction
    method: SuperHFMethod
    training: SuperHFTraining
    seed: int


def optimise_superhf(
    start: Checkpoint,
    prior: Checkpoint,
    prompts: DatasetRef,
    source: RewardSource,
    fitted: Sequence[RewardRef],
    method: SuperHFMethod,
    training: SuperHFTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Raise the reward on ``prompts`` from ``start`` by fitting the best completions; ``prior`` is p0.

    A prompt that comes several times is taken once.

    Raises UserError before the first completion if there are too few prompts, or the reward function cannot be opened.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "training")
    rows = list({row["prompt_id"]: row for row in read_rows_of(prompts, PromptRow)}.values())
    plan = plan_groups(len(rows), method, training, seed)
    policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    frozen, _ = open_frozen(prior, model)
    reward = open_reward_function(source, fitted, model)
    run = Run(rows, plan, policy, frozen, tokenizer, reward, method, training, seed)
    snapshots = Snapshots(policy, tokenizer, tracker)
    kept = snapshots_at(len(plan), training.snapshots)
    tokens = iterate(run, tracker, snapshots, kept)
    tracker.metrics({"cost/tokens": tokens}, len(plan))
    return snapshots.series(kept)


def plan_groups(rows: int, method: SuperHFMethod, training: SuperHFTraining, seed: int) -> list[list[int]]:
    """Rows of every group of prompts, shuffled, each row at most once; the last group may be smaller.

    Raises UserError if there are fewer rows than ``training.prompts``.
    """
    if rows < training.prompts:
        raise UserError(f"{training.prompts} prompts are to be taken once each and there are {rows}; lower prompts")
    order = np.random.default_rng([seed, rows]).permutation(rows)[: training.prompts].tolist()
    size = method.prompts_a_group or len(order)
    return [order[start : start + size] for start in range(0, len(order), size)]


def iterate(run: Run, tracker: Tracker, snapshots: Snapshots, snapshot_groups: Sequence[int]) -> int:
    """All groups, from the newest whole checkpoint on, with the weights of an uninterrupted run; tokens sampled."""
    training, groups = run.training, len(run.plan)
    optimizer = make_optimizer(run.policy, training)
    settings = training.model_copy(update={"warmup_steps": min(training.warmup_steps, groups // 4)})
    schedule = LambdaLR(optimizer, partial(rate, settings=settings, steps=groups))
    folder = tracker.work / "checkpoints"
    found = restore_checkpoint(folder, run.policy, optimizer, schedule)
    history = [tuple(row) for row in found.extra["history"]] if found else []
    tokens = int(found.extra["tokens"]) if found else 0
    for step, values in history:
        tracker.metrics(values, step)
    for number in range(found.step if found else 0, groups):
        metrics, drawn = take_group(run, optimizer, number)
        tokens += drawn
        metrics["train/learning_rate"] = float(schedule.get_last_lr()[0])
        schedule.step()
        done = number + 1
        if done % training.log_every_steps == 0 or done == groups:
            tracker.metrics(metrics, done)
            history.append((done, metrics))
        tracker.progress(done, groups, "groups")
        if done in snapshot_groups:
            snapshots.take(done)
        if done % training.checkpoint_every_steps == 0 and done < groups:
            extra = {"history": history, "tokens": tokens}
            save_checkpoint(folder, done, run.policy, optimizer, schedule, extra)
    discard_checkpoints(folder)
    return tokens


def take_group(run: Run, optimizer: Optimizer, number: int) -> tuple[dict[str, float], int]:
    """One group: sample, choose, fine-tune; what was logged, and how many tokens were sampled.

    Raises UserError naming the group if the reward function fails or training diverges.
    """
    rows = [run.rows[index] for index in run.plan[number]]
    try:
        completions = complete(run, rows, number)
        best = best_of_prompts(completions, run.method.kept, run.method.length_penalty)
        metrics = superbatch_metrics(completions, best)
        if best:
            metrics |= finetune(run, optimizer, [one.encoded for one in best], number)
    except UserError as error:
        raise type(error)(f"group {number + 1}: {error}") from error
    tokens = sum(len(one.rollout.ids) for one in completions)
    return {f"train/{name}": value for name, value in metrics.items()}, tokens


def complete(run: Run, rows: Sequence[PromptRow], number: int) -> list[Completion]:
    """A superbatch: S scored completions of every prompt by the policy as it is, prompt by prompt."""
    decoding, count = run.training.decoding, run.method.superbatch
    repeated = [(row, place) for row in rows for place in range(count)]
    encoded = [encode_prompt(run.tokenizer, row["prompt"]) for row in rows]
    found = InProcessSampler(run.policy, run.tokenizer, decoding.batch_rows).sample(
        [prompt for prompt in encoded for _ in range(count)],
        row_seeds(run.seed, [f"{number}/{row['prompt_id']}/{place}" for row, place in repeated]),
        decoding.max_new_tokens,
        decoding.temperature,
        decoding.top_p,
    )
    rollouts = []
    for index, ((row, _), sampled) in enumerate(zip(repeated, found, strict=True)):
        ids, finished, text = first_turn(run.tokenizer, sampled, run.method.turn_marks)
        rollouts.append(Rollout(row, encoded[index // count], ids, 0, finished, text))
    scores = score_rollouts(run.reward, rollouts)["reward"]
    return [Completion(rollout, score) for rollout, score in zip(rollouts, scores, strict=True)]


def finetune(run: Run, optimizer: Optimizer, groups: Sequence[EncodedGroup], number: int) -> dict[str, float]:
    """One pass over the chosen completions, an optimiser step a minibatch; means over minibatches.

    Raises NonFiniteLoss naming the learning rate if the loss or its gradient is NaN or infinite.
    """
    size, norm = run.training.minibatch, run.training.max_grad_norm or math.inf
    order = np.random.default_rng([run.seed, number]).permutation(len(groups)).tolist()
    logged: list[dict[str, float]] = []
    run.policy.train()
    for start in range(0, len(order), size):
        loss, metrics = completion_loss(run, [groups[row] for row in order[start : start + size]])
        loss.backward()
        gradient = nn.utils.clip_grad_norm_(run.policy.parameters(), norm)
        values = {"loss": float(loss.detach()), "grad_norm": float(gradient)}
        values |= {name: float(value) for name, value in metrics.items()}
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise NonFiniteLoss(
                f"train/{bad[0]} became {values[bad[0]]} with learning_rate {run.training.learning_rate:g}; "
                "the last good checkpoint is kept, lower learning_rate or max_grad_norm"
            )
        optimizer.step()
        optimizer.zero_grad()
        logged.append(values)
    return {name: sum(values[name] for values in logged) / len(logged) for name in logged[0]}


def completion_loss(run: Run, groups: Sequence[EncodedGroup]) -> tuple[Tensor, dict[str, Tensor]]:
    """The objective on completions, one a group: logits of policy and prior where they predict its tokens."""
    packed = pack_for(run.policy, groups)
    logits = real_logits(run.policy, scored_hidden_states(run.policy, packed))
    with torch.no_grad():
        frozen = real_logits(run.prior, scored_hidden_states(run.prior, packed))
    return run.method.objective.loss(logits, frozen, packed.labels, packed.lengths)


def superbatch_metrics(completions: Sequence[Completion], best: Sequence[Completion]) -> dict[str, float]:
    """Means over all completions, and the score of those that are learned from."""
    rollouts = [one.rollout for one in completions]
    metrics = {
        "score": np.mean([one.score for one in completions]),
        "score_deviation": np.std([one.score for one in completions]),
        "finished": np.mean([one.finished for one in rollouts]),
        "response_tokens": np.mean([len(one.ids) for one in rollouts]),
    }
    if best:
        metrics["chosen_score"] = np.mean([one.score for one in best])
        metrics["chosen_tokens"] = np.mean([len(one.rollout.ids) for one in best])
    golds = known_gold([Judged(one.row, one.text, one.finished) for one in rollouts])
    if not any(map(math.isnan, golds)):
        metrics["gold_reward"] = np.mean(golds)
    return {name: float(value) for name, value in metrics.items()}
