"""SRPO (arXiv 2406.01660): configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.matched import PreferenceConfig
from flows.reinforcement.matched import RewardFitting
from tasks.evaluation.settings import Evaluation
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.srpo import SRPO
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.revising.settings import EditPrior, RevisionFormat


class SRPOConfig(PreferenceConfig):
    """Everything that a run of the SRPO comparison depends on."""

    arms: list[
        Literal[
            "sft", "dpo", "ipo", "srpo", "ipo_equal_tokens", "best_of_n", "dpo_poor", "ipo_poor", "srpo_poor"
        ]
    ] = Field(
        ["sft", "dpo", "ipo", "srpo", "ipo_equal_tokens", "best_of_n", "dpo_poor", "ipo_poor", "srpo_poor"],
        min_length=1,
        description="Arms to compare; the poor ones, on pairs of another sampler, need the tiny world",
    )  # fmt: skip
    policy: SRPO = Field(SRPO(), description="The paper's objective")
    sweep_alphas: list[Annotated[float, Field(ge=0.0, le=1.0)]] = Field(
        [0.25, 0.75], max_length=20, description="Further alphas of srpo; 0 and 1 are degenerate, and may be asked for"
    )
    dpo: DPO = Field(DPO(), description="DPO on answers alone")
    ipo: IPO = Field(IPO(), description="IPO on answers alone; summed log-probabilities, as SRPO's")
    revision: RevisionFormat = Field(RevisionFormat(), description="How a draft is put to the model")
    edits: EditPrior = Field(EditPrior(), description="Revisions that SFT shows, where the tiny world demonstrates")
    revision_sft: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=5e-4),
        description="Second stage of SFT, on answers and revisions half and half; every arm starts from it",
    )
    revision_demonstrations: int = Field(
        3200, ge=8, le=10_000_000, description="Demonstrations in that stage, each with a revision beside it"
    )
    revisions: int = Field(5, ge=1, le=50, description="Self-revisions at test time at most (N; paper: 0 to 5)")
    reward: RewardFitting = Field(
        RewardFitting(), description="The reward model that best_of_n chooses by and all arms are measured by"
    )
    poor_temperature: float = Field(
        1.5,
        ge=0.01,
        le=10.0,
        description="Temperature at which the responses of the poor arms' pairs are sampled (ours)",
    )
    out_of_distribution: bool = Field(
        True, description="Measure on posts with more trivia than any trained on, too (paper: XSum); family tldr alone"
    )
    training: PreferenceTraining = Field(PreferenceTraining(max_steps=100), description="Budget of every arm on pairs")
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every arm is measured by")

    @model_validator(mode="after")
    def _there_is_something_to_choose_among(self) -> Self:
        if "best_of_n" in self.arms and "srpo" not in self.arms:
            raise ValueError("arms: best_of_n chooses among answers of srpo; add srpo or leave it out")
        return self
