"""What the arms of a policy-gradient paper share beyond data and SFT: prompts, reward models, budget, measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from prefect.futures import PrefectFuture
from pydantic import Field, model_validator

from flows.matched import MatchedConfig, Rows, Shared, benchmark
from tasks.engine.refs import Checkpoint, CheckpointSeries, RewardRef, Rewards
from tasks.engine.schema import Frozen
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.stages import measure_demonstrations, measure_rewarded_series
from tasks.models.stages import sample_responses
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.reinforcement_stages import optimise_policy
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.settings import RewardTraining
from tasks.reward.sources import FittedReward, GoldReward, RewardSource
from tasks.reward.stages import fit_reward, score_samples

GOLD = "gold"
"""The suite of an arm's own prompts: gold reward where it exists, proxy reward, KL, length."""
KL = "token_kl"
"""The KL that claims compare: exact a token, so with less noise than the log-ratio of one sampled response."""
MEMBERS_APART = 1000
"""Member m of seed s is fitted with seed s * 1000 + m: no member of one seed is a member of another."""

Reward = PrefectFuture[RewardRef]
Series = PrefectFuture[CheckpointSeries]


class RewardFitting(Frozen):
    """How every reward model of a run is fitted."""

    objective: RewardObjective = Field(BradleyTerry(), description="Loss of the reward model")
    training: RewardTraining = Field(RewardTraining(), description="Budget and shape of the reward model")


class ReinforcementConfig(MatchedConfig):
    """The settings that every policy-gradient paper has."""

    reward: RewardFitting = Field(RewardFitting(), description="The reward models that stand for the true reward")
    method: PolicyGradient = Field(PolicyGradient(), description="What all arms do alike; an arm changes one step")
    training: ReinforcementTraining = Field(ReinforcementTraining(), description="Budget of every policy-gradient arm")


class RewardedConfig(ReinforcementConfig):
    """The settings of a paper that also optimises rewards which are no model's (tests of programs, exact answers)."""

    rewarded_by: Literal["reward_model", "gold"] = Field(
        "reward_model",
        description="reward_model: fitted to the pairs; gold: the tiny world's true reward, as tests of programs are",
    )

    @model_validator(mode="after")
    def _gold_is_known(self) -> Self:
        if self.rewarded_by == "gold" and self.data.path:
            raise ValueError("rewarded_by gold: real data has no true reward; take reward_model")
        if self.rewarded_by == "gold" and self.method.value.start == "reward":
            raise ValueError("method.value.start reward: rewarded_by gold fits no reward model; start it from policy")
        return self


@dataclass(frozen=True)
class PolicyArm:
    """One arm: a method, the reward it maximises, and what its shaping compares with."""

    method: PolicyGradient
    fitted: Sequence[Reward]
    source: RewardSource = field(default_factory=FittedReward)
    anchors: Sequence[PrefectFuture[Rewards]] = ()
    training: ReinforcementTraining | None = None
    """A budget of its own; None: the one all arms share."""


def fit_members(
    config: ReinforcementConfig, shared: Shared, count: int = 1, pairs: Rows | None = None, name: str = "reward"
) -> list[Reward]:
    """``count`` reward models that differ in their head's first weights and the order of the data alone.

    They start from the SFT model and see the same ``pairs`` (by default the run's), under the tracked arm ``name``.
    """
    with arm(name, shared.seed):
        return [
            fit_reward.submit(
                shared.sft,
                pairs if pairs is not None else shared.pairs,
                shared.held_out,
                config.reward.objective,
                config.reward.training,
                config.model,
                shared.seed * MEMBERS_APART + member,
            )
            for member in range(count)
        ]


def reward_of(config: RewardedConfig, shared: Shared) -> tuple[RewardSource, list[Reward]]:
    """What every arm of one seed maximises, and the reward model behind it if there is one."""
    if config.rewarded_by == "gold":
        return GoldReward(), []
    return FittedReward(), fit_members(config, shared)


def score_references(
    config: ReinforcementConfig, shared: Shared, prompts: Rows, per_prompt: int, fitted: Sequence[Reward]
) -> PrefectFuture[Rewards]:
    """Rewards of ``per_prompt`` responses of the SFT model to every prompt: what shaping functions compare with."""
    with arm("sft", shared.seed):
        samples = sample_responses.submit(
            shared.sft, prompts, config.training.decoding, per_prompt, config.model, shared.seed
        )
        return score_samples.submit(samples, FittedReward(), list(fitted), config.model)


def train_policy(
    config: ReinforcementConfig, shared: Shared, prompts: Rows, name: str, policy_arm: PolicyArm
) -> Series:
    """One policy-gradient run from the SFT model, which is also the reference."""
    with arm(name, shared.seed, mode="online"):
        return optimise_policy.submit(
            shared.sft,
            shared.sft,
            prompts,
            policy_arm.source,
            list(policy_arm.fitted),
            list(policy_arm.anchors),
            policy_arm.method,
            policy_arm.training or config.training,
            config.model,
            shared.seed,
        )


def train_policies(
    config: ReinforcementConfig, shared: Shared, prompts: Rows, arms: Mapping[str, PolicyArm]
) -> dict[str, Series]:
    """One run an arm, all from the same SFT model on the same prompts."""
    return {name: train_policy(config, shared, prompts, name, one) for name, one in arms.items()}


def measure_course(
    config: MatchedConfig,
    shared: Shared,
    name: str,
    policy: Series | PrefectFuture[Checkpoint] | PrefectFuture[Any],
    source: RewardSource,
    fitted: Sequence[Reward],
) -> list[Pending]:
    """Every checkpoint of an arm on the evaluation prompts, always from the prompt: rewards, KL, length."""
    with arm(name, shared.seed):
        scores = measure_rewarded_series.submit(
            policy,
            shared.sft,
            shared.evaluation,
            config.evaluation.decoding,
            source,
            list(fitted),
            config.model,
            shared.seed,
        )
    return [Pending(name, shared.seed, GOLD, scores, policy)]


def measure_policy(
    config: MatchedConfig,
    shared: Shared,
    name: str,
    policy: Series | PrefectFuture[Checkpoint] | PrefectFuture[Any],
    source: RewardSource,
    fitted: Sequence[Reward],
) -> list[Pending]:
    """The course of an arm, and the benchmarks asked for."""
    course = measure_course(config, shared, name, policy, source, fitted)
    return [*course, *benchmark(config, shared, name, policy)]


def measure_start(
    config: MatchedConfig, shared: Shared, fitted: Sequence[Reward], source: RewardSource = FittedReward()
) -> list[Pending]:
    """The SFT model, where every arm starts, and the demonstrators' own answers."""
    with arm("demonstrations", shared.seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        *measure_policy(config, shared, "sft", shared.sft, source, fitted),
        Pending("demonstrations", shared.seed, GOLD, demonstrated),
    ]


def points_of(name: str, snapshots: int) -> tuple[str, ...]:
    """An arm's checkpoints in their order, from the common start: ``ppo@0%``, ``ppo@25%`` ... ``ppo``."""
    shares = [f"{name}@{round(100 * part / snapshots)}%" for part in range(snapshots)]
    return (*shares, name)
