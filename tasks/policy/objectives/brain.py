"""BRAIn: Bayesian Reward-conditioned Amortized Inference (Pandey et al. 2024, arXiv 2402.02479)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class BRAIn(Frozen):
    """Distil the posterior p(y|x) exp(r / beta_r) / Z into the policy, from n responses a prompt of a proposal q'.

    ahat = softmax(r / beta_r + log p - log q') are the posterior's self-normalised weights (constant), b = q_theta / q'
    and bhat = b / sum b. With D = sum ahat log(ahat / b):

    - ``brain``: L = D + log sum b = KL(ahat || bhat), gradient -sum (ahat - bhat) grad log q_theta;
    - ``gdc++``: L = D + mean b - 1, gradient -sum (ahat - b/n) grad log q_theta: a baseline without self-normalisation;
    - ``dpg``: L = D, gradient -sum ahat grad log q_theta: no baseline.

    The last two are written with the posterior's own weight a / n in the authors' demonstration, where its normaliser
    Z is known; of text it is not, and the mean over the group stands for it, so that a / n = ahat. Log-probabilities
    are sums over tokens. With ``weights`` argmax, n = 2 and q' = p, ``brain`` is DPO with beta 1 on SFT samples.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ("reference", "behaviour")
    columns_needed: ClassVar[tuple[str, ...]] = ("rewards",)

    reward_temperature: float = Field(
        0.5,
        ge=1e-4,
        le=1e4,
        description="Temperature of the rewards (beta_r; paper's value not at hand; choose an effective sample size "
        "of about a third of the group)",
    )
    estimator: Literal["brain", "gdc++", "dpg"] = Field(
        "brain", description="Baseline: self-normalised (paper), plain, or none; the latter two are its ablations"
    )
    weights: Literal["softmax", "argmax"] = Field(
        "softmax", description="Posterior weights, or all weight on the largest (the link to DPO)"
    )

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy``, ``rewards`` and both anchors are [batch, n].

        ``behaviour`` scores must be those of the sampler as it sampled; logs effective sample sizes in [1, n].
        """
        from torch import special

        target = self.target(group)
        log_b = group.log_ratio("behaviour")
        divergence = -(special.entr(target) + target * log_b).sum(dim=1)
        normaliser = {
            "brain": log_b.logsumexp(dim=1),
            "gdc++": log_b.exp().mean(dim=1) - 1.0,
            "dpg": 0.0,
        }[self.estimator]
        policy = log_b.detach().softmax(dim=1)
        return (divergence + normaliser).mean(), {
            "brain/target_sample_size": effective_sample_size(target).mean(),
            "brain/policy_sample_size": effective_sample_size(policy).mean(),
            "log_probs/response": group.policy.detach().mean(),
        }

    def target(self, group: ScoredGroup) -> Tensor:
        """ahat, [batch, n]: non-negative, rows sum to 1, without gradient."""
        from torch.nn.functional import one_hot

        importance = group.anchors["reference"] - group.anchors["behaviour"]
        logits = (group.columns["rewards"] / self.reward_temperature + importance).detach()
        if self.weights == "softmax":
            return logits.softmax(dim=1)
        return one_hot(logits.argmax(dim=1), logits.shape[1]).to(logits.dtype)


def effective_sample_size(weights: Tensor) -> Tensor:
    """[batch] 1 / sum of squared weights, of weights [batch, n] whose rows sum to 1."""
    return 1.0 / weights.square().sum(dim=1)
