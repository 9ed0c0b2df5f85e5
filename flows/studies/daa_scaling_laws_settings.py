"""Configuration of the direct-alignment scaling laws, and the names of its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.matched import PreferenceConfig
from flows.studies.sizes import ModelSize, sized
from tasks.policy.objectives.beta_ipo import BetaIPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.tree_mdp.settings import TreeMDP

Beta = Annotated[float, Field(ge=1e-4, le=100.0)]
Loss = Literal["dpo", "ipo", "slic", "length_dpo"]
LOSSES: tuple[Loss, ...] = ("dpo", "ipo", "slic", "length_dpo")
PLAIN: tuple[Loss, ...] = ("dpo", "ipo", "slic")
"""The three members of the family E[g(beta h)] that the paper fits laws to."""


class DAAScalingLawsConfig(PreferenceConfig):
    """Everything that a run of the study depends on."""

    arms: list[Literal["sft", "dpo", "ipo", "slic", "length_dpo", "tree"]] = Field(
        ["sft", "dpo", "ipo", "slic", "length_dpo", "tree"], min_length=1, description="Objectives to compare"
    )
    dpo_betas: list[Beta] = Field(
        [0.5, 0.1, 0.02, 0.005], min_length=1, max_length=20,
        description="KL budgets of DPO (paper: seven; 0.0175, 0.025 and 0.0375 are among them)",
    )  # fmt: skip
    ipo_betas: list[Beta] = Field(
        [0.5, 0.1, 0.02, 0.005], min_length=1, max_length=20, description="KL budgets of IPO (paper: as DPO's)"
    )
    slic_betas: list[Beta] = Field(
        [0.5, 0.2, 0.1], min_length=1, max_length=20,
        description="KL budgets of SLiC; where no pair reaches the margin 1 / beta, every smaller beta is the same run",
    )  # fmt: skip
    length_dpo_betas: list[Beta] = Field(
        [0.1, 0.005], min_length=1, max_length=20, description="KL budgets of length-regularised DPO"
    )
    length_alpha: float = Field(
        0.01, ge=0.0, le=10.0, description="Reward that length-regularised DPO takes off a token (alpha)"
    )
    sizes: list[ModelSize] = Field(
        [], max_length=8, description="Further models, smaller ones first (paper: Pythia 1B and 2.8B below 6.9B)"
    )
    size_arms: list[Loss] = Field(["dpo"], max_length=4, description="Objectives of the further models")
    size_betas: list[Beta] = Field(
        [0.1, 0.005], max_length=20, description="Those of an objective's KL budgets that further models are trained at"
    )
    tree: TreeMDP = Field(TreeMDP(), description="The enumerable toy; arm tree")
    tree_beta: Beta = Field(0.05, description="KL budget of all three objectives on the tree (ours)")

    @model_validator(mode="after")
    def _sweeps_are_sweeps(self) -> Self:
        for loss in LOSSES:
            betas = self.betas(loss)
            if len(set(betas)) < len(betas):
                raise ValueError(f"{loss}_betas {betas} has a value twice")
        names = [size.name for size in self.sizes]
        if len(set(names)) < len(names):
            raise ValueError(f"sizes: two models are named alike ({', '.join(names)})")
        if self.sizes and set(self.size_arms) & set(self.arms) and not self.sizes_trained():
            raise ValueError(
                f"sizes: size_arms {self.size_arms} and size_betas {self.size_betas} leave nothing to train; take "
                "betas that the arms have"
            )
        return self

    def betas(self, loss: Loss) -> list[float]:
        """KL budgets of an objective, tightest (largest beta) first."""
        betas: list[float] = getattr(self, f"{loss}_betas")
        return sorted(betas, reverse=True)

    def runs(self, loss: Loss, size: ModelSize | None = None) -> list["Run"]:
        """The trainings of an objective at a size (None: the study's own model), tightest KL budget first."""
        wanted = loss in self.arms and (size is None or loss in self.size_arms)
        betas = [beta for beta in self.betas(loss) if size is None or beta in self.size_betas]
        return [Run(loss, beta, size) for beta in betas] if wanted else []

    def sizes_trained(self) -> list[ModelSize]:
        """The further models that any of the arms asked for is trained on."""
        return [size for size in self.sizes if any(self.runs(loss, size) for loss in LOSSES)]

    def objective(self, loss: Loss, beta: float) -> Objective:
        """The objective that a run minimises."""
        if loss == "length_dpo":
            return LengthRegularisedDPO(beta=beta, alpha=self.length_alpha)
        kinds: dict[str, type[DPO | BetaIPO | SLiCHinge]] = {"dpo": DPO, "ipo": BetaIPO, "slic": SLiCHinge}
        return kinds[loss](beta=beta)


@dataclass(frozen=True)
class Run:
    """One training: an objective at one KL budget on one model."""

    loss: Loss
    beta: float
    size: ModelSize | None = None

    @property
    def name(self) -> str:
        """Its arm: ``dpo-beta-0.1``, ``dpo-beta-0.1-small``."""
        return sized(f"{self.loss}-beta-{self.beta:g}", self.size)

    def points(self, snapshots: int) -> tuple[str, ...]:
        """Its checkpoints in their order, without the common start: ``dpo-beta-0.1@25%`` ... ``dpo-beta-0.1``."""
        shares = [f"{self.name}@{round(100 * part / snapshots)}%" for part in range(1, snapshots)]
        return (*shares, self.name)


def points_of_all(runs: Sequence[Run], snapshots: int) -> tuple[str, ...]:
    """The checkpoints of several runs."""
    return tuple(point for run in runs for point in run.points(snapshots))
