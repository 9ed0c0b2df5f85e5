"""BRAIn (arXiv 2402.02479): configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.online import OnlineConfig
from tasks.evaluation.settings import Evaluation
from tasks.policy.fresh.choices import PairChoice, RankedPairs, WholeGroup
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.brain import BRAIn
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import PreferenceTraining


class BRAInConfig(OnlineConfig):
    """Everything that a run of the BRAIn comparison depends on."""

    arms: list[Literal["sft", "dpo", "dpo_sft", "dpg", "gdc_plus_plus", "brain", "brain_argmax"]] = Field(
        ["sft", "dpo", "dpo_sft", "dpg", "gdc_plus_plus", "brain", "brain_argmax"],
        min_length=1,
        description="Arms to compare",
    )
    policy: BRAIn = Field(BRAIn(), description="The paper's objective; its ablations change estimator or weights")
    effective_share: float = Field(
        1.0 / 3.0,
        ge=0.0,
        le=1.0,
        description="beta_r is chosen so that this share of a prompt's SFT samples counts, as an effective sample size "
        "(ours); 0: policy.reward_temperature as it is",
    )
    tuning_prompts: int = Field(128, ge=1, le=1_000_000, description="Prompts whose samples beta_r is chosen on")
    sweep_n: list[Annotated[int, Field(ge=2, le=256)]] = Field(
        [2, 4], max_length=20, description="Further numbers of responses a prompt, on as many prompts (n; paper: to 32)"
    )
    rewarded_by: Literal["reward_model", "gold"] = Field(
        "reward_model", description="reward_model: fitted on the pairs, as in the paper; gold: the true reward"
    )
    dpo: DPO = Field(DPO(), description="DPO, on the run's pairs and on SFT samples")
    dpo_sft_choice: PairChoice = Field(
        RankedPairs(),
        description="How dpo_sft pairs a prompt's SFT samples by the reward; by halves every sample is used once",
    )
    training: PreferenceTraining = Field(
        PreferenceTraining(max_steps=100, batch_size=8),
        description="Budget of every arm; batch_size counts prompts, each with all its responses",
    )
    fresh: FreshPairs = Field(
        FreshPairs(refresh_every_steps=10, passes=2, per_prompt=8, choice=WholeGroup()),
        description="How samples are drawn: from the policy as it is every refresh_every_steps (n 8 in the paper's "
        "demonstration; the refresh is ours)",
    )
    gradient_prompts: int = Field(16, ge=1, le=100_000, description="Prompts at which gradients are measured")
    gradient_groups: int = Field(16, ge=2, le=10_000, description="Resampled groups a prompt there")
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every arm is measured by")

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        if self.fresh.choice != WholeGroup() or self.fresh.behaviour != "current" or self.fresh.rounds_replayed:
            raise ValueError(
                "fresh: BRAIn learns from whole groups of the policy's own newest responses; leave choice at "
                "whole_group, behaviour at current and rounds_replayed at 0"
            )
        self.dpo_sft_choice.require(self.fresh.per_prompt)
        if isinstance(self.dpo_sft_choice, WholeGroup):
            raise ValueError("dpo_sft_choice whole_group: DPO compares two responses; choose best_worst or ranked")
        return self

    @model_validator(mode="after")
    def _arms_are_what_they_say(self) -> Self:
        if (self.policy.estimator, self.policy.weights) != ("brain", "softmax"):
            raise ValueError(
                "policy.estimator and policy.weights: the paper's arm is brain with softmax; the others are the arms "
                "gdc_plus_plus, dpg and brain_argmax"
            )
        return self

    @property
    def pairs_a_step(self) -> int:
        """Pairs that the arm ``dpo`` sees a step: as many responses as the others see."""
        return max(1, self.training.batch_size * self.fresh.per_prompt // 2)
