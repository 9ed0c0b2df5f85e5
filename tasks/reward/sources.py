"""Where the reward of a response comes from: settings that a form can show and a cache key can hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.refs import DatasetRef
from tasks.engine.schema import Frozen


class GoldReward(Frozen):
    """The tiny world's true reward, or another number that its families know."""

    kind: Literal["gold"] = "gold"
    label_by: Literal["gold", "judge", "helpfulness", "cost"] = Field(
        "gold",
        description="gold: the true reward; judge: instruct's biased judge; helpfulness, cost: hh's two terms apart",
    )


class FittedReward(Frozen):
    """One fitted reward model or an ensemble of them (Coste et al. 2023, 2310.02743).

    Of cost models, whose lower scores are better, the worst case is the highest and uncertainty adds to the cost.
    """

    kind: Literal["fitted"] = "fitted"
    aggregate: Literal["single", "mean", "worst_case", "uncertainty_weighted"] = Field(
        "single", description="How members' scores become one; single: there is one member"
    )
    uncertainty_penalty: float = Field(
        0.1, ge=0.0, le=100.0, description="lambda of uncertainty_weighted (paper: PPO 0.1, best-of-n 0.5)"
    )
    variance: Literal["population", "sample"] = Field(
        "population", description="Of the members: / k as in the paper, or / (k - 1) as in its PPO code"
    )
    standardise: bool = Field(
        True, description="Subtract each member's held-out mean and divide by its deviation; never for costs"
    )
    head: str = Field("", description="Name of the head to read; empty: the one meant for rewards", max_length=100)


class NoisyGoldReward(Frozen):
    """The true reward plus Gaussian noise that is drawn once a text: a reward model whose errors are known.

    Homoscedastic: the deviation is ``deviation`` everywhere. Heteroscedastic: it is ``deviation`` in the middle of
    the range and falls to 0 at its ends, deviation * 4 u (1 - u) with u = (gold - lowest) / (highest - lowest), as
    PF-PPO (2409.06957) finds of fitted reward models: reliable at the extremes, noisy between.
    """

    kind: Literal["noisy_gold"] = "noisy_gold"
    deviation: float = Field(1.0, ge=0.0, le=1000.0, description="Largest standard deviation, in units of gold")
    shape: Literal["homoscedastic", "heteroscedastic"] = Field(
        "heteroscedastic", description="Equal everywhere, or largest in the middle of the range"
    )
    lowest: float = Field(-2.0, ge=-1000.0, le=1000.0, description="Gold reward at and below which there is no noise")
    highest: float = Field(3.0, ge=-1000.0, le=1000.0, description="Gold reward at and above which there is none")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Another seed is another noisy judge")

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        if self.highest <= self.lowest:
            raise ValueError(f"highest {self.highest:g} must lie above lowest {self.lowest:g}")
        return self


class CodeTestsReward(Frozen):
    """1 if a program of the tiny world's ``code`` family does on its test lists what was asked for, else 0.

    Programs run in a sandbox, unlike for the gold reward, which evaluates them in a language of its own.
    """

    kind: Literal["code_tests"] = "code_tests"
    isolation: Literal["bubblewrap", "none"] = Field(
        "bubblewrap", description="bubblewrap: no network, no home, read-only; none: programs run with your rights"
    )
    wall_seconds: float = Field(3.0, ge=0.1, le=600.0, description="Seconds a program may take")
    workers: int = Field(0, ge=0, le=1024, description="Programs run at a time; 0: one a core")


class RewardAndCost(Frozen):
    """A reward with a cost beside it, for constrained optimisation: columns ``reward`` and ``cost``."""

    kind: Literal["reward_and_cost"] = "reward_and_cost"
    reward: GoldReward | FittedReward | NoisyGoldReward = Field(
        FittedReward(), description="Where the reward comes from", discriminator="kind"
    )
    cost: GoldReward | FittedReward = Field(
        FittedReward(standardise=False), description="Where the cost comes from", discriminator="kind"
    )
    cost_members: int = Field(
        1, ge=0, le=64, description="How many of the fitted models, from the last, are cost models; 0 for a gold cost"
    )


class PairwiseReward(Frozen):
    """The probability of beating a fixed answer to the same prompt, by a pairwise judge (Pairwise-RL, 2504.04950)."""

    kind: Literal["pairwise"] = "pairwise"
    anchors: DatasetRef = Field(description="Answers to beat: rows with response, or pairs whose chosen one counts")
    output: Literal["probability", "log_probability", "logit"] = Field("probability", description="What is rewarded")
    orders: Literal["both", "policy_first"] = Field(
        "both", description="Mean over both orders of the two answers, or the policy's answer first alone"
    )


RewardSource = Annotated[
    GoldReward | FittedReward | NoisyGoldReward | CodeTestsReward | RewardAndCost | PairwiseReward,
    Field(discriminator="kind"),
]
