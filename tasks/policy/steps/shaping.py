"""What stands between the reward function and the policy gradient: one reward in, one reward out.

Every member of ``Shaping`` has ``shape(scores, anchors, state) -> (shaped, state)``: ``scores`` [rows] float32,
``anchors`` [rows, M] reference rewards of each row's prompt (None where ``anchors_needed`` is 0), ``state`` running
statistics as JSON numbers, empty at the start and handed back for the next call. Nothing is changed in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.steps.running_statistics import ClipToDeviation, MeanStd, MinMax, ScaledVanilla
from tasks.policy.steps.shaping_curves import (
    Arctan,
    CentredReward,
    FittedPolynomial,
    LogSigmoidCentred,
    PreferenceAsReward,
    Sigmoid,
    SlowGrowthFastConvergence,
    Tanh,
)

if TYPE_CHECKING:
    from torch import Tensor

    State = dict[str, float]


class Vanilla(Frozen):
    """The reward as it is."""

    kind: Literal["vanilla"] = "vanilla"
    anchors_needed: ClassVar[int] = 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Return ``scores``."""
        return scores, state


class Ceiling(Frozen):
    """Rewards above a ceiling count as the ceiling (PAR, arXiv 2502.18770, first principle).

    The official code applies it before the length penalty too; here it is applied once, after the penalty.
    """

    kind: Literal["ceiling"] = "ceiling"
    anchors_needed: ClassVar[int] = 0
    ceiling: float = Field(4.0, ge=-1e6, le=1e6, description="Largest reward that counts (c; paper 3, 4, 5)")

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """min(r, c)."""
        return scores.clamp(max=self.ceiling), state


Shaping = Annotated[
    Vanilla
    | Ceiling
    | CentredReward
    | PreferenceAsReward
    | Sigmoid
    | Tanh
    | Arctan
    | FittedPolynomial
    | SlowGrowthFastConvergence
    | LogSigmoidCentred
    | MeanStd
    | ClipToDeviation
    | MinMax
    | ScaledVanilla,
    Field(discriminator="kind"),
]
