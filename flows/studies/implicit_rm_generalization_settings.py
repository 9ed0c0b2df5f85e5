"""Configuration of the study on how implicit and explicit rewards generalise."""

from itertools import product
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.matched import PreferenceConfig
from flows.studies.sizes import ModelSize
from tasks.data.source import DataSource
from tasks.engine.schema import Frozen
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.series import RewardSeriesTraining
from tasks.reward.settings import RewardTraining

Rate = Annotated[float, Field(ge=1e-8, le=1.0)]
Beta = Annotated[float, Field(ge=1e-4, le=100.0)]
ITERATIVE = ("iterative_exrm", "iterative_dporm", "iterative_gold")


class Shift(Frozen):
    """A test set off the training distribution: other prompts, answers of another generator, or both."""

    name: str = Field(
        "response_base", pattern="^[a-z][a-z0-9_]{0,40}$", description="Its suite; names must differ from one another"
    )
    prompts: Literal["same", "tldr", "hh", "gsm", "code", "instruct"] = Field(
        "same", description="Family of its prompts; another one than the training pairs' is prompt shift"
    )
    generator: Literal["sft", "base", "demonstrators"] = Field(
        "base", description="Who answers: the SFT model as in training, the model before SFT, or the demonstrators"
    )
    temperature: float = Field(
        1.0, ge=0.01, le=10.0, description="Of the generator's samples (training pairs: 1); demonstrators have none"
    )

    @property
    def kind(self) -> Literal["response_shift", "prompt_shift"]:
        """What is shifted. Prompts of another family bring answers of another kind with them."""
        return "response_shift" if self.prompts == "same" else "prompt_shift"


class ImplicitTrials(Frozen):
    """What DPO is tried with: every rate at every beta."""

    learning_rates: list[Rate] = Field(
        [1e-4, 3e-4], min_length=1, max_length=20, description="Peak learning rates (large models: about 5e-7)"
    )
    betas: list[Beta] = Field([0.1], min_length=1, max_length=20, description="KL anchors")

    def every(self) -> list[tuple[float, float]]:
        """(rate, beta) of every trial."""
        return list(product(self.learning_rates, self.betas))


class IterativeDPO(Frozen):
    """Rounds of sampling, labelling and DPO, all from the offline DPO policy."""

    rounds: int = Field(2, ge=1, le=100, description="Rounds")
    prompts: int = Field(500, ge=4, le=10_000_000, description="New prompts a round")
    answers: int = Field(4, ge=2, le=256, description="Answers sampled a prompt; best and worst become a pair")
    beta: Beta = Field(0.1, description="KL anchor to the policy that the round starts with")
    training: PreferenceTraining = Field(PreferenceTraining(snapshots=1), description="Budget of one round")
    implicit_reference: Literal["sft", "previous"] = Field(
        "sft",
        description="What the labelling policy's implicit reward is a log-ratio to: the first reference, or the policy "
        "that the round before began with",
    )


class ImplicitRMConfig(PreferenceConfig):
    """Everything that a run of the study depends on."""

    arms: list[
        Literal[
            "exrm", "dporm", "reference_free", "sft_likelihood", "length", "offline_dpo", "iterative_exrm",
            "iterative_dporm", "iterative_gold",
        ]
    ] = Field(
        ["exrm", "dporm", "reference_free", "sft_likelihood", "length", "offline_dpo", "iterative_exrm",
         "iterative_dporm", "iterative_gold"],
        min_length=1,
        description="Rewards and labellers to compare; exrm and dporm are always trained",
    )  # fmt: skip
    objective: RewardObjective = Field(BradleyTerry(), description="Loss of the explicit reward model")
    reward: RewardTraining = Field(
        RewardTraining(), description="Optimiser of the explicit reward model; rate, epochs, batch and steps come below"
    )
    explicit_rates: list[Rate] = Field(
        [3e-4, 1e-3],
        min_length=1,
        max_length=20,
        description="Learning rates that it is tried with (large: about 1e-5)",
    )
    implicit: ImplicitTrials = Field(ImplicitTrials(), description="What DPO is tried with, equally often")
    training: PreferenceTraining = Field(
        PreferenceTraining(epochs=2), description="DPO's optimiser; its batches, epochs and checkpoints are both arms'"
    )
    shifts: list[Shift] = Field(
        [
            Shift(name="response_base"),
            Shift(name="response_demonstrators", generator="demonstrators"),
            Shift(name="response_hot", generator="sft", temperature=1.5),
            Shift(name="prompt_hh", prompts="hh"),
            Shift(name="prompt_instruct", prompts="instruct"),
        ],
        max_length=20,
        description="Shifted test sets (paper: five settings)",
    )
    test_pairs: int = Field(500, ge=4, le=1_000_000, description="Pairs a test set, before ties are left out")
    noises: list[Annotated[float, Field(ge=0.001, le=0.5)]] = Field(
        [0.25], max_length=5, description="Shares of training labels flipped; labels of tests stay right"
    )
    shifted_data: DataSource = Field(
        DataSource(), description="Real pairs of another domain as a test set; only with data.path"
    )
    sizes: list[ModelSize] = Field([], max_length=8, description="Further models (paper: three scales)")
    iterative: IterativeDPO = Field(IterativeDPO(), description="Iterative DPO by each labeller")

    @model_validator(mode="after")
    def _arms_are_tuned_alike(self) -> Self:
        if len(self.explicit_rates) != len(self.implicit.every()):
            raise ValueError(
                f"explicit_rates make {len(self.explicit_rates)} trials and implicit {len(self.implicit.every())}; "
                "both arms want equally many"
            )
        return self

    @model_validator(mode="after")
    def _tests_can_be_made(self) -> Self:
        sizes = [size.name for size in self.sizes]
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"sizes {sizes} has a name twice; it ends the names of a size's arms")
        names = [shift.name for shift in self.shifts]
        if len(set(names)) < len(names) or {"id", "train", "ood", "drop", "real"} & set(names):
            raise ValueError(f"shifts: names {names} must differ, and id, train, ood, drop and real are taken")
        rounds = [name for name in self.arms if name in ITERATIVE or name == "offline_dpo"]
        if self.data.path and (self.shifts or rounds):
            left = ", ".join([*names, *rounds])
            raise ValueError(
                f"{left}: generators and the true reward are the tiny world's alone; with data.path leave shifts empty "
                "and these arms out (label noise and shifted_data remain)"
            )
        if self.shifted_data.path and not self.data.path:
            raise ValueError("shifted_data is a test set for rewards fitted to real pairs; give data.path too")
        return self

    def explicit_training(self, rate: float) -> RewardSeriesTraining:
        """An explicit trial's budget: batches, epochs and checkpoints are DPO's."""
        shared = {name: getattr(self.training, name) for name in ("batch_size", "epochs", "max_steps", "snapshots")}
        return RewardSeriesTraining(**self.reward.model_dump() | shared | {"learning_rate": rate})

    def implicit_trial(self, rate: float, beta: float) -> tuple[DPO, PreferenceTraining]:
        """An implicit trial's objective and budget."""
        return DPO(beta=beta), self.training.model_copy(update={"learning_rate": rate})
