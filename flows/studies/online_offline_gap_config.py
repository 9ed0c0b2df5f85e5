"""Online-offline gap (arXiv 2405.08448): the study's parts and everything that a run of it depends on."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.online import OnlineConfig
from flows.studies.sizes import ModelSize
from tasks.data.world import TinyWorld
from tasks.engine.schema import Frozen
from tasks.evaluation.settings import Evaluation
from tasks.models.config import ModelConfig, ScratchModel
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.ipo import IPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.reward.objectives.pairwise_judge import PairwiseJudge
from tasks.reward.settings import RewardTraining

Part = Literal["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "E11", "E12", "E13", "E14"]
PARTS: Mapping[Part, str] = {
    "E1": "Main trade-off: online against offline, win rate over KL",
    "E2": "Full sweep of offline learning rates, taus and steps",
    "E3": "Tandem: the online run's own pairs, offline, in their order",
    "E4": "Data coverage: the online run's own pairs, all shuffled",
    "E5": "Degrees of shuffling",
    "E6": "Data quality: offline on pairs of the final online policy",
    "E7": "Accuracy of policies and labeller on the online run's pairs",
    "E8": "Accuracy on the fixed pairs against performance",
    "E9": "Dynamics of accuracy and log-probabilities on the fixed pairs",
    "E10": "Accuracy of policies on their own samples",
    "E11": "A non-contrastive loss: likelihood of the preferred response (Bo2)",
    "E12": "Scale of the policy",
    "E13": "Which two policies the offline pairs come from",
    "E14": "Scale of the proxy preference model",
}
Rate = Annotated[float, Field(ge=1e-8, le=1.0)]
Tau = Annotated[float, Field(ge=1e-4, le=100.0)]
Steps = Annotated[int, Field(ge=1, le=10_000_000)]


class Sweep(Frozen):
    """Settings that are tried for arms with fixed data; online has one setting."""

    learning_rates: list[Rate] = Field(
        [3e-5, 1e-4, 3e-4], min_length=1, max_length=10, description="Learning rates (paper: 3e-6, 1e-5, 3e-5)"
    )
    taus: list[Tau] = Field(
        [0.1, 0.5, 1.0], min_length=1, max_length=10, description="IPO's tau (paper's beta: .1, .5, 1)"
    )
    steps: list[Steps] = Field(
        [], max_length=10, description="Optimiser steps (paper: 4k and 20k); empty: as many as online takes"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("learning_rates", "taus", "steps"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} {values} has a value twice")
        return self


class JudgeFitting(Frozen):
    """How the proxy preference model is fitted on the fixed pairs."""

    objective: PairwiseJudge = Field(PairwiseJudge(), description="Loss of the pairwise model (appendix A)")
    training: RewardTraining = Field(RewardTraining(), description="Its budget and pooling")


class GapConfig(OnlineConfig):
    """Everything that a run of the study depends on."""

    parts: list[Part] = Field(
        ["E1", "E3", "E4", "E6", "E7"], min_length=1, max_length=14, description="Experiments of the paper to run"
    )
    world: TinyWorld = Field(
        TinyWorld(label_temperature=0.0),
        description="The scenario; golden preferences follow the order of the true rewards, without noise, so "
        "labels of the fixed pairs can have none either",
    )
    ipo: IPO = Field(IPO(tau=0.1), description="The loss of every contrastive arm (paper: IPO, beta .1)")
    proxy: Literal["pairwise", "reward", "gold"] = Field(
        "pairwise",
        description="Who labels online pairs: a pairwise model fitted on the fixed pairs (paper), a Bradley-Terry "
        "reward model fitted on them, or the true reward (then online has more information than offline)",
    )
    judge: JudgeFitting = Field(JudgeFitting(), description="The pairwise proxy preference model")
    fresh: FreshPairs = Field(FreshPairs(), description="How online pairs are drawn: two responses, every step")
    training: PreferenceTraining = Field(
        PreferenceTraining(max_steps=100, snapshots=5), description="Budget of online, and of arms that are not swept"
    )
    sweep: Sweep = Field(
        Sweep(learning_rates=[1e-4, 3e-4], taus=[0.1]),
        description="What arms with fixed data are tuned over in E1, E4 and E6; the best of it stands for them",
    )
    full_sweep: Sweep = Field(
        Sweep(steps=[100, 400]), description="The paper's own sweep (E2); its settings are offline's as well"
    )
    blocks: list[int] = Field(
        [4, 25], min_length=1, max_length=10, description="Batches of the blocks that E5 shuffles in (paper: 4, 500)"
    )
    sizes: list[ModelSize] = Field(
        [ModelSize(model=ModelConfig(scratch=ScratchModel(hidden_size=64, layers=2, intermediate_size=176)))],
        max_length=5,
        description="Further policy sizes of E12 and preference-model sizes of E14; each needs a base of its own",
    )
    stream_parts: int = Field(10, ge=1, le=100, description="Parts of the online run in E7 (paper: 10)")
    pairs_a_part: int = Field(64, ge=1, le=10_000, description="Pairs classified in each (paper: 64)")
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every arm is measured by")

    @model_validator(mode="after")
    def _parts_can_run(self) -> Self:
        if len(set(self.parts)) < len(self.parts):
            raise ValueError(f"parts {self.parts} has one twice")
        sized = {"E12", "E14"} & set(self.parts)
        if sized and not self.sizes:
            raise ValueError(f"parts {sorted(sized)} want sizes; give at least one")
        if "E14" in self.parts and self.proxy != "pairwise":
            raise ValueError(f"part E14 varies the size of a pairwise proxy, and proxy is {self.proxy}; leave one out")
        names = [size.name for size in self.sizes]
        if len(set(names)) < len(names):
            raise ValueError(f"sizes {names} has a name twice; it ends the names of a size's arms")
        if self.fresh.choice.rows(self.fresh.per_prompt) != 1 or self.fresh.per_prompt != 2:
            raise ValueError(f"fresh.per_prompt {self.fresh.per_prompt}: the study compares two responses a prompt")
        return self

    @model_validator(mode="after")
    def _fixed_pairs_have_golden_labels(self) -> Self:
        world = self.world
        if world.label_temperature or world.label_noise or world.label_by != "gold":
            raise ValueError(
                "world.label_temperature, world.label_noise and world.label_by stay 0, 0 and gold: fixed and online "
                "pairs are labelled by one golden preference, so that only their origin differs"
            )
        return self
