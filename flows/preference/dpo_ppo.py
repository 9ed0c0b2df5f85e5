"""What DPO is compared with and what reads a reward model: PPO, PPO on the true reward, Best-of-n (section 6)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any

from prefect.futures import PrefectFuture
from pydantic import Field

from flows.matched import MatchedConfig, Shared, policy_prompts
from flows.reinforcement.matched import (
    GOLD,
    PolicyArm,
    ReinforcementConfig,
    Reward,
    RewardFitting,
    Series,
    measure_policy,
    points_of,
    train_policies,
)
from tasks.engine.schema import Frozen
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.stages import choose_best_by_reward, choose_by_implicit_reward, measure_samples
from tasks.models.stages import sample_responses
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.steps.kl_control import AdaptiveKL
from tasks.reward.settings import RewardTraining
from tasks.reward.sources import FittedReward, GoldReward

PPO_ARMS = ("ppo", "ppo_gt")
READS_REWARD = frozenset({*PPO_ARMS, "best_of_n"})
"""Arms that are trained or measured by the reward model; where none is asked for, none is fitted."""


class PPOComparison(Frozen):
    """PPO as DPO's rival; the reward model sees the pairs that the preference arms see."""

    reward: RewardTraining = Field(RewardTraining(), description="Budget and shape of the reward model")
    target_kl: float = Field(
        6.0, ge=0.01, le=1e4, description="KL to the SFT model that the controller keeps, nats a response (trlX 6)"
    )
    sweep_targets: list[Annotated[float, Field(ge=0.01, le=1e4)]] = Field(
        [], max_length=20, description="Further target KLs of the PPO arms for the frontier (paper: 3, 6, 9, 12)"
    )
    kl_coefficient: float = Field(
        0.1, ge=1e-4, le=100.0, description="First penalty a nat of KL, in reward units (trlX 0.1)"
    )
    value_learning_rate: float = Field(
        5e-4, ge=1e-8, le=1.0, description="Peak learning rate of the value model, which starts from SFT (ours)"
    )
    value_coefficient: float = Field(
        0.5, ge=0.0, le=100.0, description="Weight of the value loss beside the policy's (trlX 1)"
    )
    responses_a_prompt: int = Field(
        1, ge=1, le=1024, description="Rollouts a prompt (paper 1; more of them share the encoding of their prompt)"
    )
    training: ReinforcementTraining = Field(ReinforcementTraining(iterations=40), description="Budget of every PPO arm")

    def targets(self, name: str) -> dict[str, float]:
        """Arm → target KL in nats: ``name`` itself and its sweep, ``ppo-kl-3`` and so on."""
        further = [target for target in self.sweep_targets if target != self.target_kl]
        return {name: self.target_kl} | {f"{name}-kl-{target:g}": target for target in further}

    def method(self, target: float) -> PolicyGradient:
        """Plain PPO with the KL steered to ``target`` nats."""
        return PolicyGradient(
            per_prompt=self.responses_a_prompt,
            kl=AdaptiveKL(coefficient=self.kl_coefficient, target=target),
            value=ValueModel(learning_rate=self.value_learning_rate, coefficient=self.value_coefficient),
        )


def as_reinforcement(config: MatchedConfig, ppo: PPOComparison) -> ReinforcementConfig:
    """The same run as policy-gradient flows see it."""
    shared = {name: getattr(config, name) for name in MatchedConfig.model_fields}
    return ReinforcementConfig(
        **shared,
        reward=RewardFitting(training=ppo.reward),
        method=ppo.method(ppo.target_kl),
        training=ppo.training,
    )


def train_ppo(
    config: ReinforcementConfig, ppo: PPOComparison, shared: Shared, arms: Collection[str], fitted: Sequence[Reward]
) -> dict[str, Series]:
    """The PPO arms among ``arms`` with their sweeps, on prompts that were neither demonstrated nor compared.

    Of real data, which has no more of them, they are those of SFT. ``ppo_gt`` is given the tiny world's true reward in
    place of ``fitted``.
    """
    plain = {"ppo": PolicyArm(config.method, fitted), "ppo_gt": PolicyArm(config.method, (), GoldReward())}
    planned = {
        name: replace(plain[base], method=ppo.method(target))
        for base in PPO_ARMS
        if base in arms
        for name, target in ppo.targets(base).items()
    }
    return train_policies(config, shared, policy_prompts(config, shared), planned) if planned else {}


def measure_ppo(
    config: ReinforcementConfig, shared: Shared, trained: dict[str, Series], fitted: Sequence[Reward]
) -> list[Pending]:
    """The frontiers of the PPO arms, each point with the reward model's opinion, also where PPO did not read it."""
    return [
        score
        for name, series in trained.items()
        for score in measure_policy(config, shared, name, series, FittedReward(), fitted)
    ]


def decode_best_of_n(config: MatchedConfig, shared: Shared, fitted: Sequence[Reward]) -> list[Pending]:
    """Sample n responses from SFT and keep the one that the reward model prefers; no policy is trained for it."""
    with arm("best_of_n", shared.seed):
        samples = sample_n(config, shared)
        chosen = choose_best_by_reward.submit(samples, FittedReward(), list(fitted), config.model)
        return [Pending("best_of_n", shared.seed, GOLD, measure_samples.submit(chosen))]


def decode_by_implicit_reward(config: MatchedConfig, shared: Shared, policy: PrefectFuture[Any]) -> list[Pending]:
    """The same samples, chosen by the implicit reward of a policy that DPO has trained."""
    with arm("best_of_n_implicit", shared.seed):
        chosen = choose_by_implicit_reward.submit(sample_n(config, shared), policy, config.model)
        return [Pending("best_of_n_implicit", shared.seed, GOLD, measure_samples.submit(chosen))]


def sample_n(config: MatchedConfig, shared: Shared) -> PrefectFuture[Any]:
    """``evaluation.best_of`` responses of the SFT model to every evaluation prompt."""
    settings = config.evaluation
    return sample_responses.submit(
        shared.sft, shared.evaluation, settings.decoding, settings.best_of, config.model, shared.seed
    )


def frontiers_of(ppo: PPOComparison) -> dict[str, tuple[str, ...]]:
    """PPO arm → the points of its frontier: every checkpoint at every target KL."""
    return {
        base: tuple(point for name in ppo.targets(base) for point in points_of(name, ppo.training.snapshots))
        for base in PPO_ARMS
    }
