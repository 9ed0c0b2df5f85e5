"""OSP (arXiv 2405.14103): configuration."""

from typing import Literal, Self

from pydantic import Field, model_validator

from flows.preference.dpo_ppo import PPOComparison
from flows.preference.online import OnlineConfig
from flows.preference.rounds import JudgeFitting
from tasks.evaluation.settings import Evaluation
from tasks.policy.fresh.choices import RankedPairs
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.spce import SPCE
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.reward.objectives.pairwise_judge import PairwiseJudge

RANKED = {"osp", "online_dpo_hard", "osp_gold", "osp_corrupted", "osp_few"}
"""Arms with the pairs of the configuration; the others have a pairing of their own."""
ONLINE = RANKED | {"osp_adjacent", "osp_best_worst", "osp_all"}


class OSPConfig(OnlineConfig):
    """Everything that a run of the OSP comparison depends on."""

    arms: list[
        Literal[
            "sft", "offline_dpo", "online_dpo_hard", "osp", "osp_adjacent", "osp_best_worst", "osp_all", "osp_gold",
            "osp_corrupted", "osp_few", "rm_best_of_n", "rm_ppo", "rm_ppo_few",
        ]
    ] = Field(
        ["sft", "offline_dpo", "online_dpo_hard", "osp", "osp_best_worst", "osp_gold", "osp_corrupted", "osp_few",
         "rm_best_of_n", "rm_ppo", "rm_ppo_few"],
        min_length=1,
        description="Arms to compare; osp_gold needs the tiny world",
    )  # fmt: skip
    policy: SPCE = Field(SPCE(), description="OSP's objective")
    dpo: DPO = Field(DPO(), description="The loss of the arms with hard labels")
    fresh: FreshPairs = Field(
        FreshPairs(refresh_every_steps=20, per_prompt=8, choice=RankedPairs()),
        description="How online arms draw their pairs; per_prompt is the paper's K, whose value is not at hand",
    )
    judge: JudgeFitting = Field(
        JudgeFitting(objective=PairwiseJudge(first_word="first", second_word="last")),
        description="The model's own judgement: the SFT model fitted to say which response is better, then frozen; its "
        "verdict is the log odds of two words of its vocabulary",
    )
    calibrate: bool = Field(
        True, description="Divide the judge's log odds by the temperature that suits pairs it was not fitted on"
    )
    few_pairs: int = Field(
        200, ge=8, le=10_000_000, description="Labelled pairs of osp_few and rm_ppo_few (paper: 200 prompts)"
    )
    corruption: float = Field(
        0.45, ge=0.0, le=1.0, description="Share of flipped labels among the pairs of osp_corrupted's judge"
    )
    best_of_n_rounds: int = Field(2, ge=1, le=100, description="Rounds of rm_best_of_n on the same number of prompts")
    best_of_n: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=3e-4, batch_size=32, epochs=2), description="Budget of a round of rm_best_of_n"
    )
    ppo: PPOComparison = Field(PPOComparison(), description="PPO on a reward model, the usual online method")
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every arm is measured by")
    training: PreferenceTraining = Field(
        PreferenceTraining(max_steps=100), description="Budget of every preference arm, offline and online alike"
    )

    @property
    def pairs_of_a_run(self) -> int:
        """Pairs that an online arm learns from, if none is left out."""
        return self.training.batch_size * self.training.max_steps // self.fresh.passes

    @property
    def prompts_of_a_run(self) -> int:
        """Prompts that an online arm samples responses to."""
        return -(-self.pairs_of_a_run // self.fresh.choice.rows(self.fresh.per_prompt))

    @model_validator(mode="after")
    def _arms_can_run(self) -> Self:
        if not self.training.max_steps:
            raise ValueError("training.max_steps 0: fresh pairs do not end by themselves; say how many steps to take")
        if not isinstance(self.fresh.choice, RankedPairs) or self.fresh.choice.rule != "halves":
            raise ValueError(
                f"fresh.choice {self.fresh.choice.kind}: osp pairs the ranks of its halves and other arms have other "
                "pairings; leave it at ranked with rule halves, and choose arms"
            )
        again = self.fresh.passes * self.fresh.choice.rows(self.fresh.per_prompt)
        if "osp_best_worst" in self.arms and again > 100:
            raise ValueError(
                f"osp_best_worst would go through its pairs {again} times to have as many responses as the others, and "
                "100 is the most; take fewer fresh.per_prompt or leave it out of arms"
            )
        if "osp_gold" in self.arms and self.data.path:
            raise ValueError(
                "arms: osp_gold reads the true reward, which the tiny world alone has; leave it out with data.path"
            )
        return self

    @model_validator(mode="after")
    def _pairs_and_prompts_do(self) -> Self:
        if self.data.path:
            return self
        if self.few_pairs >= self.world.pairs:
            raise ValueError(f"few_pairs {self.few_pairs} must be fewer than world.pairs {self.world.pairs}")
        wanted = max(self.fresh.prompts_a_round(self.training.batch_size), self.prompts_of_a_run)
        if ONLINE & set(self.arms) and self.world.policy_prompts < wanted:
            raise ValueError(
                f"world.policy_prompts {self.world.policy_prompts}: an online arm samples from {wanted} prompts"
            )
        return self
