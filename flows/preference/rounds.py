"""What papers share that go on in rounds from their own responses: budget, judges, offline rivals, measurements."""

from collections.abc import Sequence
from typing import Any, Self

from prefect.futures import PrefectFuture
from pydantic import Field, model_validator

from flows.matched import Rows, Shared, policy_prompts, seed_of_round
from flows.preference.online import OnlineArm, OnlineConfig, Policy, Series, train_online
from flows.reinforcement.matched import GOLD, MEMBERS_APART, Reward, measure_policy
from flows.reinforcement.matched import measure_start as measure_sft
from flows.temperatures import measure_curve
from tasks.data.stages import samples_as_demonstrations, take_portion
from tasks.engine.schema import Frozen
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.settings import Evaluation
from tasks.evaluation.stages import choose_best_by_reward
from tasks.models.stages import sample_responses, score_pairs
from tasks.policy.fresh.choices import BestWorst
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.stages import finetune_supervised, optimise_preferences
from tasks.reward.objectives.pairwise_judge import PairwiseJudge
from tasks.reward.settings import RewardTraining
from tasks.reward.sources import FittedReward
from tasks.reward.stages import fit_pairwise

PASSES_AT_MOST = 4
"""How many times more passes than the online arms an offline arm may take to fill its steps, where pairs are few."""


class JudgeFitting(Frozen):
    """How the judge that compares two responses is fitted."""

    objective: PairwiseJudge = Field(PairwiseJudge(), description="Loss of the judge")
    training: RewardTraining = Field(RewardTraining(), description="Budget and shape of the judge")


class RoundsConfig(OnlineConfig):
    """The settings of every paper that trains in rounds."""

    rounds: int = Field(3, ge=1, le=100, description="Rounds of sampling and training (T; papers 3)")
    training: PreferenceTraining = Field(
        PreferenceTraining(max_steps=102, schedule="cosine", warmup_steps=5),
        description="Budget of every preference arm: its steps are shared out over the rounds, each with an optimiser "
        "and a schedule of its own; fresh.passes stands for epochs",
    )
    fresh: FreshPairs = Field(
        FreshPairs(passes=2, per_prompt=8, choice=BestWorst()),
        description="How a round draws its pairs, all of them at its beginning (papers: 8 responses, 2 epochs)",
    )
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every arm is measured by")

    @property
    def a_round(self) -> PreferenceTraining:
        """The budget of one round."""
        return self.training.model_copy(update={"max_steps": self.training.max_steps // self.rounds})

    @property
    def prompts_of_a_round(self) -> int:
        """Prompts that a round samples responses to."""
        whole = self.fresh.model_copy(update={"refresh_every_steps": self.a_round.max_steps})
        return whole.prompts_a_round(self.training.batch_size)

    @property
    def prompts_of_a_run(self) -> int:
        """Prompts that all rounds sample responses to."""
        return self.rounds * self.prompts_of_a_round

    @model_validator(mode="after")
    def _rounds_are_equal(self) -> Self:
        steps = self.training.max_steps
        if not steps or steps % self.rounds:
            raise ValueError(
                f"training.max_steps {steps} cannot be shared out over rounds {self.rounds}; take a multiple of it"
            )
        return self

    @model_validator(mode="after")
    def _rounds_begin_with_their_pairs(self) -> Self:
        plain = {"refresh_every_steps": 1, "behaviour": "current", "rounds_replayed": 0, "reference": "fixed"}
        for name, value in plain.items():
            if (given := getattr(self.fresh, name)) != value:
                raise ValueError(
                    f"fresh.{name} {given}: every round draws its pairs from the policy as it begins; leave it at "
                    f"{value}, and choose rounds and arms"
                )
        return self

    @model_validator(mode="after")
    def _prompts_and_pairs_do(self) -> Self:
        if self.data.path:
            return self
        wanted = self.prompts_of_a_run
        if self.world.policy_prompts < wanted:
            raise ValueError(
                f"world.policy_prompts {self.world.policy_prompts}: {self.rounds} rounds sample from {wanted} prompts"
            )
        if self.world.pairs < wanted:
            raise ValueError(f"world.pairs {self.world.pairs}: offline arms want as many as the rounds' {wanted}")
        return self


def fit_judge(
    config: OnlineConfig,
    shared: Shared,
    judge: JudgeFitting,
    pairs: Rows | None = None,
    name: str = "judge",
) -> Reward:
    """A pairwise judge fitted from the SFT model on ``pairs`` (by default the run's), tracked as arm ``name``."""
    with arm(name, shared.seed):
        return fit_pairwise.submit(
            shared.sft,
            pairs if pairs is not None else shared.pairs,
            shared.held_out,
            judge.objective,
            judge.training,
            config.model,
            shared.seed * MEMBERS_APART,
        )


def prompts_for(config: RoundsConfig, shared: Shared) -> Rows:
    """The prompts of all rounds: as many for every arm, or all that real data has, if it has fewer."""
    every = policy_prompts(config, shared)
    with arm("pairs", shared.seed):
        return take_portion.submit(every, 0, config.prompts_of_a_run)


def train_offline(
    config: OnlineConfig, shared: Shared, name: str, objective: Objective, pairs: int, snapshots: int
) -> Series:
    """Preference optimisation on ``pairs`` of the run's own pairs, for as many steps as the online arms take."""
    training = config.training.model_copy(
        update={"epochs": PASSES_AT_MOST * config.fresh.passes, "snapshots": snapshots}
    )
    with arm(name, shared.seed):
        portion = take_portion.submit(shared.pairs, 0, pairs)
        reference = score_pairs.submit(shared.sft, portion, config.model)
        return optimise_preferences.submit(
            shared.sft, portion, reference, objective, training, config.model, shared.seed
        )


def train_on_start(config: RoundsConfig, shared: Shared, prompts: Rows, name: str, one: OnlineArm) -> Series:
    """The matched offline control of ``one``: the same number of pairs, all of the SFT model's responses.

    They are drawn in portions as large as the rounds; as the SFT model does not change, they are a fixed set of pairs.
    """
    training = config.training.model_copy(update={"snapshots": config.rounds})
    fresh = one.fresh.model_copy(update={"behaviour": "start", "refresh_every_steps": config.a_round.max_steps})
    return train_online(
        config, shared, prompts, name, OnlineArm(one.objective, one.labeller, one.fitted, fresh, training)
    ).series


def finetune_in_rounds(
    config: OnlineConfig,
    shared: Shared,
    prompts: Rows,
    name: str,
    fitted: Sequence[Reward],
    training: SupervisedTraining,
    rounds: int,
    count: int,
) -> Policy:
    """Rejection sampling (RAFT, arXiv 2304.06767): each round imitates the best of n responses of the policy as it is.

    A round has ``count`` prompts, ``config.fresh.per_prompt`` responses to each at temperature 1 and ``training`` as
    its budget; the reward models ``fitted`` choose.
    """
    decoding = config.fresh.decoding
    current: Any = shared.sft
    with arm(name, shared.seed, mode="online"):
        for number in range(rounds):
            seed = seed_of_round(shared.seed, number)
            portion = take_portion.submit(prompts, number * count, count)
            samples = sample_responses.submit(current, portion, decoding, config.fresh.per_prompt, config.model, seed)
            best = choose_best_by_reward.submit(samples, FittedReward(), list(fitted), config.model)
            demonstrations = samples_as_demonstrations.submit(best)
            current = finetune_supervised.submit(current, demonstrations, training, config.model, seed)
    found: Policy = current
    return found


def measure_arm(
    config: OnlineConfig, shared: Shared, name: str, policy: PrefectFuture[Any], fitted: Sequence[Reward]
) -> list[Pending]:
    """An arm by gold reward, KL, length and the common reward model ``fitted``, also at further temperatures."""
    course = measure_policy(config, shared, name, policy, FittedReward(), fitted)
    return [*course, *measure_curve(config, shared, name, policy, GOLD)]


def measure_start(config: OnlineConfig, shared: Shared, fitted: Sequence[Reward]) -> list[Pending]:
    """The same of the SFT model, where every arm starts, and the demonstrators' own answers."""
    return [*measure_sft(config, shared, fitted), *measure_curve(config, shared, "sft", shared.sft, GOLD)]
