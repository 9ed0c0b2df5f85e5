"""PF-PPO (arXiv 2409.06957): everything that a run of the comparison depends on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from flows.reinforcement.matched import ReinforcementConfig
from tasks.engine.schema import Frozen
from tasks.evaluation.settings import Evaluation
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.kto import KTO
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.steps.filters import Filter, KeepAll, PowerReweight, RandomSubset, RankWeights, Threshold
from tasks.policy.steps.kl_control import FixedKL
from tasks.reward.sources import CodeTestsReward, FittedReward, NoisyGoldReward, RewardSource

ArmName = Literal[
    "sft", "raft", "dpo", "ipo", "kto", "iterative_dpo", "ppo_s", "ppo_m", "pf_bon", "pf_br", "pf_bw", "random_2of5",
    "ppo_top", "ppo_top_random", "ppo_top_bottom", "ppo_pow_1", "ppo_pow_2", "ppo_pow_3",
]  # fmt: skip
ALL_ARMS: tuple[ArmName, ...] = (
    "sft", "raft", "dpo", "ipo", "kto", "iterative_dpo", "ppo_s", "ppo_m", "pf_bon", "pf_br", "pf_bw", "random_2of5",
    "ppo_top", "ppo_top_random", "ppo_top_bottom", "ppo_pow_1", "ppo_pow_2", "ppo_pow_3",
)  # fmt: skip
CODE = "code"
"""The tiny world's family whose responses are programs."""


class Reliability(Frozen):
    """The analysis that chooses a filter before any reinforcement learning (section 4)."""

    prompts: int = Field(600, ge=3, le=100_000, description="Prompts that the SFT model answers (ours)")
    replies: int = Field(
        5, ge=2, le=1000, description="Responses a prompt; as many as in training, so that the same filter is judged"
    )
    bins: int = Field(20, ge=3, le=1000, description="Bins of equal width over the range of rewards (ours)")
    draws: int = Field(10, ge=1, le=1000, description="Times that a filter is drawn (paper 10)")


class Filters(Frozen):
    """Settings of the filters that the arms differ in."""

    kept: int = Field(2, ge=1, le=1000, description="Responses of a prompt that rank filters keep (paper 2 of 5)")
    upper_quantile: float = Field(
        0.7,
        ge=0.0,
        le=1.0,
        description="Threshold above which rewards are kept, as a quantile of the SFT model's (ours)",
    )
    lower_quantile: float = Field(
        0.3, ge=0.0, le=1.0, description="Threshold below which top-bottom keeps them, as such a quantile (ours)"
    )
    others_kept: float = Field(0.5, ge=0.0, le=1.0, description="Share of the others that top-random keeps (paper 0.5)")
    drawn_share: float = Field(
        1.0,
        ge=0.001,
        le=10.0,
        description="Rows that pow-k draws with replacement, as a share of those sampled (code 1)",
    )

    @model_validator(mode="after")
    def _quantiles_are_ordered(self) -> Self:
        if self.lower_quantile > self.upper_quantile:
            raise ValueError(
                f"lower_quantile {self.lower_quantile:g} must not be above upper_quantile {self.upper_quantile:g}"
            )
        return self

    def by_arm(self) -> dict[str, Filter]:
        """Arm -> the filter that it is named after; thresholds still at their defaults."""
        kept = self.kept
        return {
            "ppo_m": KeepAll(),
            "pf_bon": RankWeights(scheme="best_of_n", keep_per_group=kept),
            "pf_br": RankWeights(scheme="best_random", keep_per_group=kept),
            "pf_bw": RankWeights(scheme="best_worst", keep_per_group=kept),
            "random_2of5": RandomSubset(keep_per_group=kept),
            "ppo_top": Threshold(scheme="top"),
            "ppo_top_random": Threshold(scheme="top_random", others_kept=self.others_kept),
            "ppo_top_bottom": Threshold(scheme="top_bottom"),
            "ppo_pow_1": PowerReweight(power=1.0, drawn_share=self.drawn_share),
            "ppo_pow_2": PowerReweight(power=2.0, drawn_share=self.drawn_share),
            "ppo_pow_3": PowerReweight(power=3.0, drawn_share=self.drawn_share),
        }


class PFPPOConfig(ReinforcementConfig):
    """Everything that a run of the PF-PPO comparison depends on."""

    arms: list[ArmName] = Field(list(ALL_ARMS), min_length=1, description="Arms to compare")
    method: PolicyGradient = Field(
        PolicyGradient(per_prompt=5, kl=FixedKL(coefficient=0.01)),
        description="What all PPO arms do alike; per_prompt is N, of which the filters keep some (paper 5)",
    )
    evaluation: Evaluation = Field(Evaluation(temperatures=[0.0]), description="What every arm is measured by")
    training: ReinforcementTraining = Field(
        ReinforcementTraining(iterations=48, rollouts=80), description="Budget of every PPO arm"
    )
    filters: Filters = Field(Filters(), description="The step that the PPO arms differ in")
    reliability: Reliability = Field(Reliability(), description="R^2 of rewards and true scores before training")
    proxy: Literal["fitted", "noisy_gold"] = Field(
        "fitted",
        description="What every arm maximises: the fitted reward model, or the true reward with errors of known size",
    )
    noisy_gold: NoisyGoldReward = Field(NoisyGoldReward(), description="The errors, where proxy is noisy_gold")
    true_reward: Literal["family", "sandbox"] = Field(
        "family",
        description="family: the tiny world's gold reward; sandbox: whether programs of family code pass when they run",
    )
    sandbox: CodeTestsReward = Field(CodeTestsReward(), description="How programs are run where true_reward is sandbox")
    pair_choice: Literal["max_edit_distance", "first_two"] = Field(
        "max_edit_distance", description="Which two of the SFT model's responses the reward model learns from"
    )
    pair_samples: int = Field(5, ge=2, le=1000, description="Responses a prompt that the two are chosen from (paper 5)")
    raft: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=3e-4, batch_size=32), description="RAFT's fine-tuning on the best responses"
    )
    preference: PreferenceTraining = Field(
        PreferenceTraining(), description="Budget of DPO, IPO and KTO, and of every round of iterative DPO"
    )
    dpo: DPO = Field(DPO(), description="DPO, also in rounds")
    ipo: IPO = Field(IPO(), description="IPO")
    kto: KTO = Field(KTO(), description="KTO")
    rounds: int = Field(3, ge=1, le=100, description="Rounds of iterative DPO (paper 3)")

    @property
    def prompts_a_run(self) -> int:
        """Prompts that an arm with N responses a prompt samples for, so that all arms draw equally many responses."""
        return self.training.iterations * self.training.rollouts // self.method.per_prompt

    @property
    def source(self) -> RewardSource:
        """The reward function that every arm maximises, and whose reward is the proxy that all are measured by."""
        return FittedReward() if self.proxy == "fitted" else self.noisy_gold

    @property
    def learns_from_pairs(self) -> bool:
        """Whether anything is fitted to the reward model's pairs."""
        return self.proxy == "fitted" or bool({"dpo", "ipo", "kto"} & set(self.arms))

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        per_prompt, rollouts = self.method.per_prompt, self.training.rollouts
        if per_prompt < 2 or self.filters.kept > per_prompt:
            raise ValueError(f"filters.kept {self.filters.kept} of method.per_prompt {per_prompt}: sample 2 or more")
        if rollouts % per_prompt:
            raise ValueError(f"training.rollouts {rollouts} must be a multiple of method.per_prompt {per_prompt}")
        return self

    @model_validator(mode="after")
    def _samples_fill_batches(self) -> Self:
        wanted = {"raft": (self.raft.batch_size, 1), "iterative_dpo": (self.preference.batch_size, self.rounds)}
        for name, (batch_size, rounds) in wanted.items():
            if name in self.arms and self.prompts_a_run // rounds < batch_size:
                raise ValueError(
                    f"{name} samples for {self.prompts_a_run // rounds} prompts at a time, too few for a batch of "
                    f"{batch_size}; raise training.iterations or lower the batch size"
                )
        return self

    @model_validator(mode="after")
    def _truth_is_known(self) -> Self:
        if self.true_reward == "sandbox" and (self.data.path or self.world.family != CODE):
            raise ValueError(
                f"true_reward sandbox runs programs of the tiny world; set world.family={CODE} without data"
            )
        if self.data.path and self.proxy == "noisy_gold":
            raise ValueError("proxy noisy_gold needs the tiny world's true reward, which real data lacks; use fitted")
        return self
