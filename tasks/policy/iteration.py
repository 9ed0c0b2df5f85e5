"""One iteration of the policy-gradient loop up to the update: rollouts become experience, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import FAMILIES, score
from tasks.engine.schema import UserError
from tasks.models.parts import Scorable, causal_lm
from tasks.policy.actor_critic import ActorCritic, TokenScores, old_scores, token_log_probs
from tasks.policy.experience import Experience, experience_of
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.reward_step import score_rollouts
from tasks.policy.rollouts import Rollout
from tasks.policy.steps.advantages import Rewarded
from tasks.policy.steps.clipped_value import explained_variance
from tasks.policy.steps.diagnostics import advantage_metrics, kl_metrics, rollout_metrics
from tasks.policy.steps.filters import keep_or_all
from tasks.policy.steps.token_rewards import token_rewards
from tasks.reward.function import RewardFunction

Anchors = Mapping[str, Sequence[float]]
"""Prompt id -> adjusted rewards of reference responses to it."""


@dataclass(frozen=True)
class LoopState:
    """What an iteration hands to the next besides weights; JSON-able but for ``buffer``."""

    kl_coefficient: float
    statistics: dict[str, float] = field(default_factory=dict)
    """Running statistics of the shaping step."""
    baseline: dict[str, float] = field(default_factory=dict)
    """Running statistics of the advantage step."""
    tokens: int = 0
    """Tokens sampled so far."""
    buffer: tuple[Experience, ...] = ()


@dataclass(frozen=True)
class Judges:
    """What rates rollouts: the reward function, and rewards of reference responses where shaping wants them."""

    function: RewardFunction
    anchors: Anchors


def gather(
    rollouts: Sequence[Rollout],
    model: ActorCritic,
    reference: Scorable,
    judges: Judges,
    method: PolicyGradient,
    tokenizer: PreTrainedTokenizerBase,
    state: LoopState,
    rng: np.random.Generator,
    gradient: bool = False,
) -> tuple[Experience, LoopState, dict[str, Tensor], TokenScores | None]:
    """Reward → shaping → old scores → filter → actions → token rewards → advantages; and what is worth logging.

    With ``gradient`` the scores of the policy come back as well, for the step that is taken on these very rows.
    """
    columns = score_rollouts(judges.function, rollouts)
    experience = experience_of(rollouts, causal_lm(model.policy).device)
    rewards = torch.tensor(columns["reward"], device=experience.mask.device)
    finished = torch.tensor([one.finished for one in rollouts], device=experience.mask.device)
    scores, statistics = shape(rewards, finished, rollouts, judges.anchors, method, state.statistics)
    groups = experience.encoded()
    fresh, entropies = old_scores(model, groups, gradient)
    old = TokenScores(fresh.log_probs.detach(), fresh.values.detach())
    with torch.no_grad():
        frozen = token_log_probs(reference, groups, model.temperature)
    segments = method.actions.segment(token_texts(tokenizer, rollouts), experience.mask, frozen, rng)
    experience = replace(
        experience,
        old_log_probs=old.log_probs,
        values=old.values,
        reference_log_probs=frozen,
        scores=scores,
        segments=segments,
    )
    kept, fell_back = keep_or_all(method.filter, scores, experience.groups, rng)
    logged = {
        **rollout_metrics(experience.mask, finished, entropies),
        **kl_metrics(old.log_probs, frozen, experience.trainable),
        **reward_metrics(rewards, scores, rollouts),
        "forced_tokens": experience.forced.sum(-1).float().mean(),
        "action_tokens": experience.mask.sum() / (segments.amax(-1) + 1).sum(),
        "filter/kept_share": torch.tensor(len(kept) / len(rollouts)),
        "filter/fell_back": torch.tensor(float(fell_back)),
    }
    if "variance" in columns:
        logged["reward_variance"] = torch.tensor(columns["variance"]).mean()
    experience, baseline = estimate(experience.select(kept), method, state)
    logged |= advantage_metrics(experience.advantages, experience.returns, experience.trainable)
    if model.value_head is not None:
        logged["explained_variance"] = explained_variance(experience.values, experience.returns, experience.mask)
    tokens = state.tokens + sum(len(one.ids) - one.forced for one in rollouts)
    state = replace(state, statistics=statistics, baseline=baseline, tokens=tokens)
    return experience, state, logged, fresh if gradient else None


def shape(
    rewards: Tensor,
    finished: Tensor,
    rollouts: Sequence[Rollout],
    anchors: Anchors,
    method: PolicyGradient,
    statistics: dict[str, float],
) -> tuple[Tensor, dict[str, float]]:
    """From rewards [rows] to the scores of RL, [rows] float32, and the running statistics after them."""
    lengths = torch.tensor([len(one.ids) for one in rollouts], device=rewards.device)
    compared = anchors_of(rollouts, anchors, rewards.device) if method.shaping.anchors_needed else None
    return method.shaping.shape(adjust(rewards, finished, lengths, method), compared, statistics)


def adjust(rewards: Tensor, finished: Tensor, lengths: Tensor, method: PolicyGradient) -> Tensor:
    """What is done to a reward before it is shaped, a reference response's too; all of one shape."""
    rewards = method.missing_eos.apply(rewards, finished)
    return method.score_clip.apply(method.length_penalty.apply(rewards, lengths))


def anchors_of(rollouts: Sequence[Rollout], anchors: Anchors, device: torch.device) -> Tensor:
    """[rows, references] float32: rewards of the reference responses to each rollout's prompt."""
    return torch.tensor([list(anchors[one.row["prompt_id"]]) for one in rollouts], device=device)


def require_anchors(rows: Sequence[PromptRow], anchors: Anchors, needed: int) -> None:
    """Raise UserError unless every prompt has at least ``needed`` reference responses, and all equally many."""
    counts = {row["prompt_id"]: len(anchors.get(row["prompt_id"], ())) for row in rows} if needed else {}
    for prompt_id, present in counts.items():
        if present < max(needed, *counts.values()):
            raise UserError(
                f"shaping compares with {needed} reference responses a prompt and prompt {prompt_id} has {present} of "
                f"{max(counts.values())}; sample and score equally many for every prompt of the loop first"
            )


def estimate(experience: Experience, method: PolicyGradient, state: LoopState) -> tuple[Experience, dict[str, float]]:
    """Token rewards with the KL penalty, then advantages and returns."""
    rewards = token_rewards(
        experience.scores,
        experience.old_log_probs,
        experience.reference_log_probs,
        experience.mask,
        state.kl_coefficient,
        method.kl_estimator,
    )
    rewarded = Rewarded(
        rewards,
        experience.values,
        experience.mask,
        experience.trainable,
        experience.groups,
        experience.segments,
        method.pooling,
    )
    found, baseline = method.advantage.estimate(rewarded, state.baseline)
    return replace(experience, advantages=found.advantages, returns=found.returns), dict(baseline)


def reward_metrics(rewards: Tensor, scores: Tensor, rollouts: Sequence[Rollout]) -> dict[str, Tensor]:
    """Mean reward before shaping and after it and, where all prompts are of the tiny world, mean gold reward."""
    logged = {
        "score": rewards.mean(),
        "score_deviation": rewards.std(correction=0),
        "shaped_reward": scores.mean(),
    }
    if all(one.row["family"] in FAMILIES for one in rollouts):
        golds = score([one.row for one in rollouts], [one.text for one in rollouts], [one.finished for one in rollouts])
        logged["gold_reward"] = torch.tensor([gold.reward for gold in golds]).mean()
    return logged


def token_texts(tokenizer: PreTrainedTokenizerBase, rollouts: Sequence[Rollout]) -> list[list[str]]:
    """The text of every token of every rollout, as rules that end actions read it."""
    return [tokenizer.convert_ids_to_tokens(one.ids) for one in rollouts]
