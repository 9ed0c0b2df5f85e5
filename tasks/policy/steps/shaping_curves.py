"""Reward shaping by a fixed curve, of the reward or of its distance from reference rewards (PAR, arXiv 2502.18770).

In all of them ``scores`` [rows] are rewards of the policy's responses, and ``anchors`` [rows, references] rewards of
responses that pi_SFT gave to the same prompts, from the same reward model and with the same length penalty.
``state`` is handed back as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen, UserError

if TYPE_CHECKING:
    from torch import Tensor

    State = dict[str, float]

FITTED_UP_TO = 5.0
FITTED_POINTS = 100
FITTED_ORDER = 5
References = Annotated[
    int, Field(ge=1, le=1000, description="Reference rewards a prompt (M; paper 10; 1 does nearly as well)")
]
Centred = Annotated[bool, Field(description="Apply the curve to the distance from each reference reward, and average")]
Steepness = Annotated[float, Field(ge=1e-6, le=100.0, description="Slope of the sigmoid (k; paper 1, ablation 1-3)")]


class CentredReward(Frozen):
    """The reward less the mean reference reward: unbounded."""

    kind: Literal["centred"] = "centred"
    references: References = 10

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt."""
        return self.references

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """r - mean_m r_m."""
        return scores - first_references(anchors, self.references).mean(dim=1), state


class PreferenceAsReward(Frozen):
    """PAR: the reward model's own probability that the response beats a reference, averaged (section 3.2).

    (1/M) sum_m sigmoid(k (r - r_m)), in (0, 1), steepest where the response is as good as the references.
    """

    kind: Literal["par"] = "par"
    steepness: Steepness = 1.0
    references: References = 10

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt."""
        return self.references

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Mean over the first M references of sigmoid(k (r - r_m))."""
        return averaged(lambda reward: (self.steepness * reward).sigmoid(), scores, anchors, self.references), state


class Sigmoid(Frozen):
    """sigmoid(k r), bounded but not centred: the paper's M = 0."""

    kind: Literal["sigmoid"] = "sigmoid"
    anchors_needed: ClassVar[int] = 0
    steepness: Steepness = 1.0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """sigmoid(k r)."""
        return (self.steepness * scores).sigmoid(), state


class SlowGrowthFastConvergence(Frozen):
    """SgFc, against PAR's second principle: slow where the response is as good as a reference, fast above it.

    sigmoid(k (r - r_m - shift)) averaged; the paper's figure has k = 3, its official script k = 1.
    """

    kind: Literal["sgfc"] = "sgfc"
    steepness: Steepness = 1.0
    shift: float = Field(3.0, ge=0.0, le=100.0, description="How far above a reference the curve is steepest (paper 3)")
    references: References = 10

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt."""
        return self.references

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Mean over the first M references of sigmoid(k (r - r_m - shift))."""
        curve = PreferenceAsReward(steepness=self.steepness, references=self.references)
        return curve.shape(scores - self.shift, anchors, state)


class Tanh(Frozen):
    """The hyperbolic tangent, in (-1, 1)."""

    kind: Literal["tanh"] = "tanh"
    centred: Centred = True
    references: References = 10

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt; none if not centred."""
        return self.references if self.centred else 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """tanh of the reward, or the mean over references of tanh of the distance."""
        return averaged(lambda reward: reward.tanh(), scores, anchors, self.anchors_needed), state


class Arctan(Frozen):
    """The arc tangent, in (-pi/2, pi/2)."""

    kind: Literal["arctan"] = "arctan"
    centred: Centred = True
    references: References = 10

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt; none if not centred."""
        return self.references if self.centred else 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Arctan of the reward, or the mean over references of arctan of the distance."""
        return averaged(lambda reward: reward.arctan(), scores, anchors, self.anchors_needed), state


class FittedPolynomial(Frozen):
    """The polynomial of fifth order nearest to the sigmoid on [-5, 5]; 0 below and 1 above."""

    kind: Literal["fitted_polynomial"] = "fitted_polynomial"
    centred: Centred = True
    references: References = 10

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt; none if not centred."""
        return self.references if self.centred else 0

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """The polynomial of the reward, or the mean over references of that of the distance."""
        return averaged(sigmoid_polynomial, scores, anchors, self.anchors_needed), state


class LogSigmoidCentred(Frozen):
    """LSC: log sigmoid(r - q), q a percentile of the prompt's reference rewards taken for normal.

    q is the percentile of Normal(mean r_m, std r_m + 1e-5), the standard deviation being the sample's, over every
    column of ``anchors`` (the other curves take the first M). With the population's the card's example would be
    -1.050113 and not -1.220682. Below 0 and without a lower bound.
    """

    kind: Literal["lsc"] = "lsc"
    percentile: float = Field(
        0.85, ge=0.001, le=0.999, description="Percentile of the references to centre on (paper 0.85)"
    )
    references: int = Field(10, ge=2, le=1000, description="Reference rewards a prompt (paper 10); all are used")

    @property
    def anchors_needed(self) -> int:
        """Reference rewards a prompt."""
        return self.references

    def shape(self, scores: Tensor, anchors: Tensor | None, state: State) -> tuple[Tensor, State]:
        """log sigmoid(r - q)."""
        from torch.nn.functional import logsigmoid

        rewards = enough_references(anchors, self.references)
        spread = rewards.std(dim=1) + 1e-5
        centre = rewards.mean(dim=1) + NormalDist().inv_cdf(self.percentile) * spread
        return logsigmoid(scores - centre), state


def averaged(curve: Callable[[Tensor], Tensor], scores: Tensor, anchors: Tensor | None, references: int) -> Tensor:
    """``curve`` of ``scores`` [rows], or its mean over the distances to the first ``references`` anchors."""
    if references == 0:
        return curve(scores)
    return curve(scores[:, None] - first_references(anchors, references)).mean(dim=1)


def first_references(anchors: Tensor | None, references: int) -> Tensor:
    """The first ``references`` columns of ``anchors``. Raises UserError if there are fewer."""
    return enough_references(anchors, references)[:, :references]


def enough_references(anchors: Tensor | None, references: int) -> Tensor:
    """``anchors`` as it is. Raises UserError if it has fewer than ``references`` columns."""
    present = 0 if anchors is None else anchors.shape[1]
    if anchors is None or present < references:
        raise UserError(
            f"reward shaping reads {references} reference rewards a prompt and there are {present}; "
            "sample more references or lower 'references'"
        )
    return anchors


def sigmoid_polynomial(reward: Tensor) -> Tensor:
    """The fitted polynomial on [-5, 5], 0 below and 1 above; the same shape as ``reward``."""
    value = reward.new_zeros(reward.shape)
    for coefficient in polynomial_coefficients():
        value = value * reward + coefficient
    value = value.where(reward > -FITTED_UP_TO, value.new_zeros(()))
    return value.where(reward < FITTED_UP_TO, value.new_ones(()))


@cache
def polynomial_coefficients() -> tuple[float, ...]:
    """Least squares to the sigmoid at 100 even points of [-5, 5], highest power first (as the official code fits)."""
    import numpy as np

    points = np.linspace(-FITTED_UP_TO, FITTED_UP_TO, FITTED_POINTS)
    return tuple(float(value) for value in np.polyfit(points, 1.0 / (1.0 + np.exp(-points)), FITTED_ORDER))
