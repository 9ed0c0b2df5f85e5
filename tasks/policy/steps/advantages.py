"""Advantages: what a token was worth beyond expectation, from a value model or from other responses.

Every estimator is a frozen settings model with ``estimate``: from an iteration's rewards and the estimator's state to
advantages and the next state, which is the same but for the one that keeps a running mean. All read constants and
return constants; only positions inside the mask are read, and results are zero outside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.steps.macro_actions import MacroPooling, pool_steps, spread_to_tokens
from tasks.policy.steps.response_baselines import State, group_normalised, leave_one_out, updated_mean
from tasks.policy.steps.whitening import whiten

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rewarded:
    """Responses of an iteration with their rewards, [rows, time] each; ``groups`` is [rows]."""

    token_rewards: Tensor
    """Float: KL penalty and score, see ``token_rewards``."""
    values: Tensor
    """Float: V of the state in which a token was chosen; estimators without a value model do not read it."""
    mask: Tensor
    """Bool: real tokens."""
    trainable: Tensor
    """Bool: real tokens that were sampled, not given."""
    groups: Tensor
    """Int64: responses to one prompt share a number."""
    segments: Tensor | None = None
    """Int64: macro action of every token, -1 at padding; None: every token is an action."""
    pooling: MacroPooling = field(default_factory=MacroPooling)

    def totals(self) -> Tensor:
        """Sum of a response's token rewards (score and KL penalty), [rows]."""
        return self.token_rewards.where(self.mask, 0.0).sum(-1)


class Advantages(NamedTuple):
    """[rows, time] each, zero outside the mask."""

    advantages: Tensor
    returns: Tensor
    """What a value model is to predict."""


def gae(
    token_rewards: Tensor, values: Tensor, mask: Tensor, discount: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantages and returns (Schulman et al. 2016, Eq. 16), two [rows, time] tensors.

    delta_t = r_t + discount * V_{t+1} - V_t with V = 0 after a response's last step, A_t = delta_t + discount *
    gae_lambda * A_{t+1}, returns = A + V. ``mask`` is right-padded; nothing outside it is read.
    """
    import torch

    rewards, values = token_rewards.where(mask, 0.0), values.where(mask, 0.0)
    ahead = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    advantages = rewards + discount * ahead - values
    for step in reversed(range(mask.shape[1] - 1)):
        advantages[:, step] += discount * gae_lambda * advantages[:, step + 1]
    return advantages, advantages + values


class GeneralisedAdvantage(Frozen):
    """GAE over tokens, or over macro actions where tokens are put together: each then has its action's advantage.

    The discount is taken once an action, however long it is (papers use 1).
    """

    reads_values: ClassVar[bool] = True
    reads_groups: ClassVar[bool] = False

    kind: Literal["gae"] = "gae"
    discount: float = Field(1.0, ge=1e-6, le=1.0, description="Discount an action (gamma; papers 1)")
    gae_lambda: float = Field(
        0.95, ge=0.0, le=1.0, description="Weight of longer returns (lambda; papers 0.95; 1: Monte-Carlo minus value)"
    )
    returns: Literal["gae", "monte_carlo"] = Field(
        "gae",
        description="Target of the value model: advantage + old value, or the plain sum of later rewards (PAR)",
    )
    whiten: Literal["none", "trainable", "all_tokens"] = Field(
        "trainable",
        description="Positions over which advantages get mean 0 and variance 1: none (MA-RLHF), sampled tokens, or "
        "forced ones too (DR-PO). DR-PO's code counts padding as well, which there holds tokens sampled after EOS",
    )
    reward_whitening: bool = Field(
        False, description="Centre and scale token rewards by their deviation and add their mean back (DR-PO's code)"
    )

    def estimate(self, rewarded: Rewarded, state: State) -> tuple[Advantages, State]:
        """Advantages (whitened as set) and returns (never whitened) of every token."""
        rewards, values, mask = rewarded.token_rewards, rewarded.values, rewarded.mask
        if self.reward_whitening:
            rewards = whiten(rewards, mask, keep_mean=True)
        segments = rewarded.segments
        if segments is not None:
            rewards, values, mask = pool_steps(rewards, values, segments, rewarded.pooling)
        advantages, returns = gae(rewards, values, mask, self.discount, self.gae_lambda)
        if self.returns == "monte_carlo":
            returns, _ = gae(rewards, values.new_zeros(values.shape), mask, self.discount, 1.0)
        if segments is not None:
            advantages, returns = spread_to_tokens(advantages, segments), spread_to_tokens(returns, segments)
        return Advantages(self._whitened(advantages, rewarded), returns.where(rewarded.mask, 0.0)), state

    def _whitened(self, advantages: Tensor, rewarded: Rewarded) -> Tensor:
        if self.whiten == "none":
            return advantages.where(rewarded.mask, 0.0)
        counted = rewarded.trainable if self.whiten == "trainable" else rewarded.mask
        return whiten(advantages, counted)


class LeaveOneOut(Frozen):
    """RLOO (Ahmadian et al. 2024, arXiv 2402.14740): reward minus the mean reward of the prompt's other responses.

    A response's reward is the sum of its token rewards, so a KL penalty is inside.
    """

    reads_values: ClassVar[bool] = False
    reads_groups: ClassVar[bool] = True

    kind: Literal["leave_one_out"] = "leave_one_out"

    def estimate(self, rewarded: Rewarded, state: State) -> tuple[Advantages, State]:
        """The same advantage for every token. Raises UserError if a prompt has one response only."""
        totals = rewarded.totals()
        return _spread(leave_one_out(totals, rewarded.groups), totals, rewarded), state


class GroupNormalised(Frozen):
    """GRPO (Shao et al. 2024, arXiv 2402.03300, Sec. 4.1.2): reward against its prompt's mean and deviation."""

    reads_values: ClassVar[bool] = False
    reads_groups: ClassVar[bool] = True

    kind: Literal["group_normalised"] = "group_normalised"
    scale: Literal["sample", "population", "none"] = Field(
        "sample", description="Deviation that is divided by: over n - 1 (official codes), over n, or 1 (Dr. GRPO)"
    )
    epsilon: float = Field(1e-6, ge=1e-12, le=1.0, description="Added to the deviation (PAR 1e-8, TRL 1e-4)")
    lone: Literal["error", "zero"] = Field(
        "error", description="A prompt's only response: refused, or advantage 0 (UI-S1, where episodes end early)"
    )

    def estimate(self, rewarded: Rewarded, state: State) -> tuple[Advantages, State]:
        """The same advantage for every token. Raises UserError for a lone response unless ``lone`` is zero."""
        totals = rewarded.totals()
        advantages = group_normalised(totals, rewarded.groups, self.scale, self.epsilon, self.lone)
        return _spread(advantages, totals, rewarded), state


class BatchBaseline(Frozen):
    """REINFORCE with the batch's mean reward as the baseline (CGPO's CRPG, arXiv 2409.20370, Eq. 11)."""

    reads_values: ClassVar[bool] = False
    reads_groups: ClassVar[bool] = False

    kind: Literal["batch_baseline"] = "batch_baseline"

    def estimate(self, rewarded: Rewarded, state: State) -> tuple[Advantages, State]:
        """Reward minus mean reward, the same for every token."""
        totals = rewarded.totals()
        return _spread(totals - totals.mean(), totals, rewarded), state


class RunningBaseline(Frozen):
    """REINFORCE with a running mean of rewards as the baseline (HC-RLHF with one response a prompt)."""

    reads_values: ClassVar[bool] = False
    reads_groups: ClassVar[bool] = False

    kind: Literal["running_baseline"] = "running_baseline"
    memory: float = Field(
        1.0,
        ge=1e-6,
        le=1.0,
        description="Share of its weight that an earlier reward keeps an iteration; 1: all count alike",
    )
    includes_current: bool = Field(
        False,
        description="The iteration's own rewards count in its baseline: a small bias (released code of HC-RLHF: yes)",
    )

    def estimate(self, rewarded: Rewarded, state: State) -> tuple[Advantages, State]:
        """Reward minus running mean, the same for every token; the first iteration takes its own mean."""
        totals = rewarded.totals()
        updated = updated_mean(state, totals, self.memory)
        used = updated if self.includes_current or not state else state
        return _spread(totals - used["mean"], totals, rewarded), updated


def _spread(per_response: Tensor, totals: Tensor, rewarded: Rewarded) -> Advantages:
    mask = rewarded.mask
    advantages = per_response[:, None].expand(mask.shape).where(mask, 0.0)
    return Advantages(advantages, totals[:, None].expand(mask.shape).where(mask, 0.0))


AdvantageEstimator = Annotated[
    GeneralisedAdvantage | LeaveOneOut | GroupNormalised | BatchBaseline | RunningBaseline, Field(discriminator="kind")
]
