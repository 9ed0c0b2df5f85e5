"""SuperHF: Supervised Iterative Learning from Human Feedback (Mukobi et al. 2023, arXiv 2310.16763)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor


class SuperHF(Frozen):
    """L = CE + lambda_KL sum_i max(KL_i, 0) [+ c / CE], on the best completions.

    CE is the mean over all completion tokens of a minibatch. KL_i is the mean over the tokens of completion i of
    KL(p0 || p_theta) over the whole vocabulary: from the initial model to the policy, so it covers the modes of p0.
    Logits are those that predict the completion's tokens, EOS among them. The published code reads the KL one position
    late, which leaves out the first token's predictor and takes in the position after the last; and it masks prompts by
    their length from the left although they are padded there, so that prompt tokens leak into CE. Both are mended here.
    """

    kl_weight: float = Field(0.35, ge=0.0, le=1000.0, description="Weight of the KL prior (lambda_KL; paper 0.35)")
    kl_over_examples: Literal["sum", "mean"] = Field(
        "sum",
        description="KL of a minibatch: summed over its completions while CE is averaged (official code), or averaged",
    )
    inverse_loss_weight: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="Weight c of 1 / CE, a barrier against collapse (code: 0; swept 1e-4 to 3.3)",
    )

    def loss(self, policy: Tensor, prior: Tensor, labels: Tensor, lengths: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (scalar, with gradient to ``policy`` alone) and detached scalars.

        ``policy``, ``prior``: [tokens, vocabulary] float logits that predict the completions' tokens, one completion
        after another. ``labels``: [tokens] int64, those tokens. ``lengths``: [completions] int64, all above 0, with sum
        ``tokens``.
        """
        log_p = policy.log_softmax(-1)
        log_q = prior.detach().log_softmax(-1)
        cross_entropy = -log_p.gather(-1, labels[:, None]).mean()
        tokens = (log_q.exp() * (log_q - log_p)).sum(-1)
        means = [part.mean().clamp(min=0.0) for part in tokens.split(lengths.tolist())]
        total = sum(means[1:], means[0])
        kl = total if self.kl_over_examples == "sum" else total / len(means)
        loss = cross_entropy + self.kl_weight * kl
        if self.inverse_loss_weight:
            loss = loss + self.inverse_loss_weight / cross_entropy
        return loss, {"cross_entropy": cross_entropy.detach(), "prior_kl": total.detach() / len(means)}
