"""What the policy minimises: PPO's clipped surrogate, or the score function (REINFORCE).

Tensors are [rows, time] and nothing outside ``mask`` is read. ``new_log_probs`` and ``entropies`` are nats with
gradient; ``old_log_probs`` (of the policy that sampled), ``reference_log_probs`` and ``advantages`` are constants.
``mask`` is bool: trainable tokens, real and not forced. ``segments`` is the int64 macro action of every token, -1 at
padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.policy.steps.macro_actions import sum_by_action
from tasks.policy.steps.policy_drift import clipped_share, drift
from tasks.policy.steps.reduction import Reduction, denominator, reduce
from tasks.policy.steps.token_rewards import ESTIMATORS, KLEstimator

if TYPE_CHECKING:
    from torch import Tensor


class Denominators(NamedTuple):
    """What the sums of a whole batch are divided by, see ``reduction``; scalars."""

    steps: Tensor
    """For the surrogate: of whatever has a ratio of its own."""
    tokens: Tensor
    """For the KL term and the entropy bonus."""


class _TokenTerms(Frozen):
    """How tokens are averaged, and the terms that both losses may add."""

    reduction: Reduction = Field("token_mean", description="What the mean is over")
    width: int = Field(
        0, ge=0, le=1_000_000, description="Tokens a response in the divisor of 'constant' (Dr. GRPO: longest allowed)"
    )
    kl_coefficient: float = Field(
        0.0, ge=0.0, le=100.0, description="Weight of a KL-to-reference term in the loss (GRPO .04, PAR's GRPO .005)"
    )
    kl_estimator: KLEstimator = Field(
        "k3", description="Estimator of that term (GRPO k3; the released code of PAR's GRPO inverted_k3)"
    )
    entropy_coefficient: float = Field(0.0, ge=0.0, le=10.0, description="Weight of an entropy bonus")

    @model_validator(mode="after")
    def _constant_has_a_width(self) -> Self:
        if self.reduction == "constant" and not self.width:
            raise ValueError("reduction 'constant' divides by responses * width: give width, in tokens")
        return self

    def _added_terms(
        self, new_log_probs: Tensor, reference: Tensor | None, entropies: Tensor | None, mask: Tensor, over: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """kl_coefficient * KL - entropy_coefficient * entropy, and what of it is logged."""
        loss, metrics = new_log_probs.new_zeros(()), {}
        if self.kl_coefficient:
            if reference is None:
                raise ValueError("a KL term in the loss needs reference_log_probs")
            log_ratio = (new_log_probs - reference.detach()).where(mask, 0.0)
            divergence = reduce(ESTIMATORS[self.kl_estimator](log_ratio), mask, self.reduction, self.width, over)
            loss, metrics["kl_loss"] = loss + self.kl_coefficient * divergence, divergence.detach()
        if self.entropy_coefficient:
            if entropies is None:
                raise ValueError("an entropy bonus needs entropies")
            loss = loss - self.entropy_coefficient * reduce(entropies, mask, self.reduction, self.width, over)
        return loss, metrics


class ClippedSurrogate(_TokenTerms):
    """PPO (Schulman et al. 2017, Eq. 7): -mean min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A).

    rho = pi_new / pi_old of a token, of a macro action or of a whole response. For the latter two it is the *product*
    over trainable tokens (MA-RLHF's paper; GSPO takes the geometric mean instead), A is the mean over those tokens
    (they share one) and the mean of the loss is over macro actions or responses in place of tokens. MA-RLHF's released
    code and its baselines use token ratios, the default.
    """

    kind: Literal["clipped_surrogate"] = "clipped_surrogate"
    clip_low: float = Field(0.2, ge=0.0, le=1.0, description="How far below 1 a ratio still counts (epsilon)")
    clip_high: float = Field(0.2, ge=0.0, le=100.0, description="How far above 1 a ratio still counts (epsilon)")
    ratio: Literal["token", "macro", "sequence"] = Field("token", description="What has a ratio of its own")

    def denominators(self, mask: Tensor, segments: Tensor | None = None) -> Denominators:
        """Divisors of a batch, to be handed to ``loss`` for each of its parts."""
        steps = self._by_step(mask.float(), segments) > 0
        return Denominators(*(denominator(kept, self.reduction, self.width) for kept in (steps, mask)))

    def loss(
        self,
        new_log_probs: Tensor,
        old_log_probs: Tensor,
        advantages: Tensor,
        mask: Tensor,
        *,
        segments: Tensor | None = None,
        reference_log_probs: Tensor | None = None,
        entropies: Tensor | None = None,
        over: Denominators | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar loss with gradient and detached scalar metrics.

        ``over``: ``denominators`` of the batch that these rows are a part of; the losses of its parts then add up to
        the batch's. Other metrics than ``policy_loss`` and ``kl_loss`` are means over these rows. Raises ValueError if
        a tensor that a term needs is missing.
        """
        over = over or self.denominators(mask, segments)
        log_ratio = (new_log_probs - old_log_probs.detach()).where(mask, 0.0)
        lengths = self._by_step(mask.float(), segments)
        ratio = self._by_step(log_ratio, segments).exp()
        gains = self._by_step(advantages.detach().where(mask, 0.0), segments) / lengths.clamp(min=1.0)
        plain = -ratio * gains
        clipped = -ratio.clamp(1.0 - self.clip_low, 1.0 + self.clip_high) * gains
        surrogate = reduce(plain.maximum(clipped), lengths > 0, self.reduction, self.width, over.steps)
        added, metrics = self._added_terms(new_log_probs, reference_log_probs, entropies, mask, over.tokens)
        return surrogate + added, {
            "policy_loss": surrogate.detach(),
            "clip_fraction": clipped_share(plain, clipped, lengths > 0),
            **drift(log_ratio, mask),
            **metrics,
        }

    def _by_step(self, values: Tensor, segments: Tensor | None) -> Tensor:
        """Sum ``values`` [rows, time] over what shares a ratio: [rows, time], [rows, actions] or [rows, 1]."""
        if self.ratio == "token":
            return values
        if self.ratio == "sequence":
            return values.sum(-1, keepdim=True)
        if segments is None:
            raise ValueError("the ratio of a macro action needs segments")
        return sum_by_action(values, segments)


class ScoreFunction(_TokenTerms):
    """REINFORCE (Williams 1992): -mean A log pi(y_t), no ratio, no clip.

    With ``sequence_sum`` it is -mean over responses of A log pi(y | x), as in HC-RLHF and CGPO. It is the gradient of
    the surrogate at pi_new = pi_old, so it wants fresh samples: one pass over them.
    """

    kind: Literal["score_function"] = "score_function"
    reduction: Reduction = Field("sequence_sum", description="What the mean is over")

    def denominators(self, mask: Tensor, segments: Tensor | None = None) -> Denominators:
        """Divisors of a batch, to be handed to ``loss`` for each of its parts; segments play no part."""
        over = denominator(mask, self.reduction, self.width)
        return Denominators(over, over)

    def loss(
        self,
        new_log_probs: Tensor,
        old_log_probs: Tensor,
        advantages: Tensor,
        mask: Tensor,
        *,
        segments: Tensor | None = None,
        reference_log_probs: Tensor | None = None,
        entropies: Tensor | None = None,
        over: Denominators | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar loss with gradient and detached scalar metrics; as ``ClippedSurrogate.loss``, without segments."""
        over = over or self.denominators(mask)
        gain = advantages.detach().where(mask, 0.0) * new_log_probs.where(mask, 0.0)
        loss = -reduce(gain, mask, self.reduction, self.width, over.steps)
        added, metrics = self._added_terms(new_log_probs, reference_log_probs, entropies, mask, over.tokens)
        log_ratio = (new_log_probs - old_log_probs).where(mask, 0.0)
        return loss + added, {"policy_loss": loss.detach(), **drift(log_ratio, mask), **metrics}


PolicyLoss = Annotated[ClippedSurrogate | ScoreFunction, Field(discriminator="kind")]
