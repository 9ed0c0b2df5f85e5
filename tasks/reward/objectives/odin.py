"""ODIN: a reward model whose second head takes the length (Chen et al. 2024, arXiv 2402.07319)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.reward.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.reward.objectives.pairs import ScoredPairs

SMALL = 1e-8


class ODIN(Frozen):
    """Bradley-Terry on the sum of a quality and a length head; policies are trained on quality alone.

    L = -mean log sigma(r_Q + r_L of w - r_Q + r_L of l) + a (|rho(r_Q, n)| - rho(r_L, n)) + b |cos(W_Q, W_L)|: rho is
    Pearson's correlation with the length n over all responses held at once (so a smaller ``micro_batch_size`` makes
    it rougher), W the heads' weights, normalised so that shrinking them does not count as orthogonality. Paper: a =
    b = 1; PAR (2502.18770) has it as a baseline.
    """

    heads: ClassVar[tuple[str, ...]] = ("quality", "length")
    higher_is_better: ClassVar[bool] = True
    every_token: ClassVar[bool] = False

    kind: Literal["odin"] = "odin"
    length_weight: float = Field(1.0, ge=0.0, le=100.0, description="a (lambda_L): weight of the correlations")
    orthogonality_weight: float = Field(1.0, ge=0.0, le=100.0, description="b (lambda_O): weight of the heads' angle")

    def loss(self, pairs: ScoredPairs) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss above; ``pairs.scores`` is [pairs, 2, 2], quality first."""
        from torch.nn.functional import cosine_similarity, logsigmoid

        total = pairs.scores.sum(-1)
        quality, length = pairs.scores.flatten(0, 1).unbind(-1)
        tokens = pairs.lengths.flatten().to(quality.dtype)
        of_quality, of_length = correlation(quality, tokens), correlation(length, tokens)
        angle = cosine_similarity(pairs.head[0], pairs.head[1], dim=0).abs()
        likelihood = logsigmoid(total[:, 0] - total[:, 1]).mean()
        loss = self.length_weight * (of_quality.abs() - of_length) + self.orthogonality_weight * angle - likelihood
        metrics = {
            "quality_length_correlation": of_quality.detach(),
            "length_length_correlation": of_length.detach(),
            "head_cosine": angle.detach(),
        }
        return loss, pair_metrics(pairs.scores[..., 0]) | metrics


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's correlation of two [rows], with gradient; 0 where one of them does not vary."""
    from torch.nn.functional import cosine_similarity

    return cosine_similarity(first - first.mean(), second - second.mean(), dim=0, eps=SMALL)
