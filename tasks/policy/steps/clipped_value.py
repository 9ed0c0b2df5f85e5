"""What the value model minimises: squared error to returns, not to move far from its old values in one iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.policy.steps.policy_drift import clipped_share
from tasks.policy.steps.reduction import Reduction, denominator, reduce
from tasks.policy.steps.whitening import masked_moments

if TYPE_CHECKING:
    from torch import Tensor


class ClippedValue(Frozen):
    """factor * mean max((V - G)^2, (clip(V, V_old - clip, V_old + clip) - G)^2), as in OpenAI's baselines.

    DR-PO and MA-RLHF: factor 0.5, mean over all tokens, forced ones included. PAR: factor 1.
    """

    clip: float = Field(
        0.2, ge=0.0, le=1e6, description="How far a value may move from its old one; 0: as far as it likes"
    )
    factor: float = Field(0.5, ge=1e-6, le=100.0, description="Factor of the squared error (DR-PO, MA-RLHF .5; PAR 1)")
    reduction: Reduction = Field("token_mean", description="What the mean is over")
    width: int = Field(0, ge=0, le=1_000_000, description="Tokens a response in the divisor of 'constant'")
    tokens: Literal["all_tokens", "trainable"] = Field(
        "all_tokens", description="Which values are fitted: forced tokens' too (DR-PO), or only sampled tokens'"
    )

    @model_validator(mode="after")
    def _constant_has_a_width(self) -> Self:
        if self.reduction == "constant" and not self.width:
            raise ValueError("reduction 'constant' divides by responses * width: give width, in tokens")
        return self

    def fitted(self, mask: Tensor, trainable: Tensor) -> Tensor:
        """Positions whose values are fitted, [rows, time] bool: what to hand to ``loss`` and ``denominator``."""
        return trainable if self.tokens == "trainable" else mask

    def denominator(self, fitted: Tensor) -> Tensor:
        """Divisor of a batch, to be handed to ``loss`` for each of its parts."""
        return denominator(fitted, self.reduction, self.width)

    def loss(
        self, new_values: Tensor, old_values: Tensor, returns: Tensor, fitted: Tensor, over: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar loss with gradient in ``new_values`` and detached metrics; all [rows, time], read in ``fitted`` only.

        ``over``: ``denominator`` of the batch that these rows are a part of; losses of its parts then add up.
        """
        values = new_values.where(fitted, 0.0)
        old, targets = (constant.detach().where(fitted, 0.0) for constant in (old_values, returns))
        plain = clipped = (values - targets).square()
        if self.clip:
            clipped = (old + (values - old).clamp(-self.clip, self.clip) - targets).square()
        loss = self.factor * reduce(plain.maximum(clipped), fitted, self.reduction, self.width, over)
        return loss, {"value_loss": loss.detach(), "value_clip_fraction": clipped_share(plain, clipped, fitted)}


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns) over masked tokens, at most 1; scalar, no gradient.

    0 is no better than a constant. It is also given where returns do not vary.
    """
    variance = masked_moments(returns.detach(), mask)[1]
    left = masked_moments((returns - values).detach(), mask)[1]
    return (1.0 - left / variance).where(variance > 0.0, 0.0)
