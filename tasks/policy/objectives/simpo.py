"""SimPO: Simple Preference Optimization with a reference-free reward (Meng et al. 2024, arXiv 2405.14734)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.policy.objectives.length import per_token
from tasks.policy.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class SimPO(Frozen):
    """Logistic loss on the difference of average log-probabilities with a target margin, Eq. 6 of the paper.

    L = -log sigma(beta [avg(y_w) - avg(y_l) - gamma/beta]), avg(y) = log pi(y|x) / |y|. Nothing anchors the policy to
    where it started. The official code adds label smoothing, a hinge and a likelihood term, all off by default:
    (1 - eps) (-log sigma(z)) + eps (-log sigma(-z)), or max(0, 1 - z), plus lambda CE(y_w) with the cross-entropy
    averaged over the tokens of the batch that is passed in.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = ()

    beta: float = Field(
        2.0, ge=1e-3, le=100.0, description="Scale of the average log-probability (beta; paper 2 to 10)"
    )
    gamma_beta_ratio: float = Field(
        0.5,
        ge=0.0,
        le=1000.0,
        description="Target margin over beta, in nats a token (gamma/beta; paper 0.1 to 0.8); without length "
        "normalisation in nats a response",
    )
    length_normalisation: bool = Field(
        True, description="Divide log-probabilities by the response's tokens; false is the paper's ablation"
    )
    form: Literal["sigmoid", "hinge"] = Field("sigmoid", description="Loss of the margin (paper: sigmoid)")
    label_smoothing: float = Field(
        0.0, ge=0.0, le=0.49, description="Assumed probability that a label is flipped (eps; paper 0), sigmoid only"
    )
    sft_weight: float = Field(
        0.0, ge=0.0, le=100.0, description="Weight of the cross-entropy of chosen responses (official code: 0)"
    )

    @model_validator(mode="after")
    def _hinge_is_not_smoothed(self) -> Self:
        if self.form == "hinge" and self.label_smoothing > 0.0:
            raise ValueError("label_smoothing is defined for the sigmoid form; set it to 0 for the hinge")
        return self

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over rows; ``group.policy`` and ``group.lengths`` are [batch, 2]."""
        from torch.nn.functional import logsigmoid, relu

        scores = per_token(group.policy, group.lengths) if self.length_normalisation else group.policy
        rewards = self.beta * scores
        chosen, rejected = rewards.unbind(dim=1)
        logits = chosen - rejected - self.beta * self.gamma_beta_ratio
        if self.form == "hinge":
            loss = relu(1.0 - logits)
        else:
            loss = -(1.0 - self.label_smoothing) * logsigmoid(logits) - self.label_smoothing * logsigmoid(-logits)
        cross_entropy = -group.policy[:, 0].sum() / group.lengths[:, 0].sum().clamp(min=1)
        return loss.mean() + self.sft_weight * cross_entropy, pair_metrics(group, rewards)
