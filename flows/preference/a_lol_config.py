"""A-LoL (arXiv 2305.14718): everything that a run of the comparison depends on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from flows.matched import MatchedConfig
from flows.preference.dpo_ppo import PPOComparison
from tasks.data.mixed_quality import QualityMixture
from tasks.evaluation.settings import Evaluation
from tasks.policy.advantage_leftover.settings import Leftover, LeftoverTraining, Sampling, ValueFitting, Weighted
from tasks.policy.objectives.a_lol import ALoL, KLALoL, ReferenceFreeALoL, TokenALoL
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.reward_weighted import ResponseLikelihood, RewardGOLD, RLoL, WeightedBehaviourCloning
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.reward.bounded import BoundedReward, SigmoidReward
from tasks.reward.sources import GoldReward, RewardSource

Method = Literal[
    "nll", "wbc", "r_gold", "r_lol", "a_lol", "a_lol_ref_free", "a_lol_seq", "a_lol_kl", "a_lol_positive",
    "a_lol_unfiltered",
]  # fmt: skip
DRAWN: dict[str, Sampling] = {"a_lol_positive": "positive", "a_lol_unfiltered": "uniform"}
"""Arms that draw their responses another way than all others, which do so by priority."""


class ALoLConfig(MatchedConfig):
    """Everything that a run of the A-LoL comparison depends on."""

    arms: list[
        Literal[
            "sft", "nll", "wbc", "r_gold", "r_lol", "a_lol", "a_lol_ref_free", "a_lol_seq", "a_lol_kl",
            "a_lol_positive", "a_lol_unfiltered", "dpo", "ppo",
        ]
    ] = Field(
        ["sft", "nll", "wbc", "r_gold", "r_lol", "a_lol", "a_lol_ref_free", "a_lol_seq", "a_lol_kl", "a_lol_positive",
         "a_lol_unfiltered", "dpo", "ppo"],
        min_length=1,
        description="Arms to compare, on the clean corpus",
    )  # fmt: skip
    noisy_arms: list[Method] = Field(
        ["nll", "a_lol"], max_length=10, description="Arms that learn from the noisy corpus as well"
    )
    clean: QualityMixture = Field(QualityMixture(), description="The clean corpus, in the tiny world")
    noisy: QualityMixture = Field(
        QualityMixture(good=0.15, bad=0.6),
        description="The noisy one; of real pairs it is their rejected responses alone",
    )
    responses_a_prompt: int = Field(
        2, ge=1, le=64, description="Responses of the corpus to every prompt (HHA: a good and a bad one)"
    )
    reward: BoundedReward = Field(
        SigmoidReward(), description="The reward in [0, 1] that arms learn from and are measured by (paper: sigmoid)"
    )
    reference: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=5e-4, batch_size=32),
        description="SFT on the corpus, which gives pi_ref (HHA: an adapter at hand; elsewhere 6 epochs)",
    )
    value: ValueFitting = Field(ValueFitting(), description="The value of pi_ref")
    training: LeftoverTraining = Field(LeftoverTraining(), description="Budget of every arm on single responses")
    choose: Literal["validation", "last"] = Field(
        "validation", description="An arm's policy: its best checkpoint on validation prompts (paper), or its last"
    )
    a_lol: ALoL = Field(ALoL(), description="A-LoL, however its responses are drawn")
    a_lol_seq: TokenALoL = Field(TokenALoL(), description="A-LoL sequence")
    a_lol_kl: KLALoL = Field(KLALoL(), description="A-LoL KL")
    r_lol: RLoL = Field(RLoL(), description="R-LoL")
    r_gold: RewardGOLD = Field(RewardGOLD(), description="Reward GOLD")
    dpo: DPO = Field(DPO(), description="DPO (paper: beta 0.1)")
    preference: PreferenceTraining = Field(PreferenceTraining(), description="Budget of DPO")
    ppo: PPOComparison = Field(PPOComparison(), description="PPO; its reward model is the one under the sigmoid")
    evaluation: Evaluation = Field(
        Evaluation(temperatures=[0.0]), description="What every arm is measured by; the paper decodes greedily"
    )

    @property
    def objectives(self) -> dict[str, Leftover | Weighted]:
        """Arm → its objective, for all that learn from single responses."""
        return {
            "nll": ResponseLikelihood(),
            "wbc": WeightedBehaviourCloning(),
            "r_gold": self.r_gold,
            "r_lol": self.r_lol,
            "a_lol": self.a_lol,
            "a_lol_ref_free": ReferenceFreeALoL(),
            "a_lol_seq": self.a_lol_seq,
            "a_lol_kl": self.a_lol_kl,
            "a_lol_positive": self.a_lol,
            "a_lol_unfiltered": self.a_lol,
        }

    @property
    def fits_a_reward(self) -> bool:
        """Whether anything reads a fitted reward model."""
        return self.reward.kind == "sigmoid"

    @property
    def online_reward(self) -> RewardSource:
        """What PPO maximises: the arms' reward without its bounds, which do not change the order of responses."""
        return self.reward.source if isinstance(self.reward, SigmoidReward) else GoldReward()

    @model_validator(mode="after")
    def _the_reward_is_known(self) -> Self:
        if self.data.path and self.reward.kind == "range":
            raise ValueError(
                "reward range reads the tiny world's true reward, which real data lacks; set reward.kind=sigmoid"
            )
        return self

    @model_validator(mode="after")
    def _pairs_can_be_made(self) -> Self:
        if "dpo" in self.arms and not self.data.path and self.responses_a_prompt < 2:
            raise ValueError("dpo compares responses to one prompt; give responses_a_prompt 2 or more, or leave it out")
        return self
