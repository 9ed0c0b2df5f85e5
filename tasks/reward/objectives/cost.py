"""Cost models of safe RLHF (Dai et al. 2023, arXiv 2310.12773; HC-RLHF, arXiv 2506.08266)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen, UserError
from tasks.reward.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.reward.objectives.pairs import ScoredPairs


class Cost(Frozen):
    """A cost c, higher where a response is more harmful; the preferred response of a pair is the safer one.

    L = -log sigma(c_l - c_w) - log sigma(s_w c_w) - log sigma(s_l c_l) + k (c_w^2 + c_l^2) / 2, mean over pairs, with
    s = +1 for an unsafe response and -1 for a safe one (Dai et al., Eq. 6): the sign terms put the cost's zero
    between them. HC-RLHF's official code leaves the sign terms out (``bradley_terry``), after which c has no zero and
    a threshold on it means nothing. The squares, whose mean is over the scores of both responses, are the codes' own.
    """

    heads: ClassVar[tuple[str, ...]] = ("cost",)
    higher_is_better: ClassVar[bool] = False
    every_token: ClassVar[bool] = False

    kind: Literal["cost"] = "cost"
    variant: Literal["signed", "bradley_terry"] = Field(
        "signed", description="signed: with sign terms (sequence-wise); bradley_terry: without (sequence-wise-bt)"
    )
    square_penalty: float = Field(0.001, ge=0.0, le=10.0, description="k: weight of the mean squared score")

    def loss(self, pairs: ScoredPairs) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss above; ``pairs.scores`` is [pairs, 2, 1].

        Raises UserError if the sign terms are asked for and the data do not say which responses are unsafe.
        """
        from torch.nn.functional import logsigmoid

        costs = pairs.scores.squeeze(-1)
        safer, worse = costs.unbind(dim=1)
        penalty = self.square_penalty * costs.square().mean(1)
        losses = penalty - logsigmoid(worse - safer)
        metrics = pair_metrics(-costs) | {"penalty": penalty.detach().mean()}
        if self.variant == "bradley_terry":
            return losses.mean(), metrics
        if pairs.unsafe is None:
            raise UserError(
                "objective.variant signed: the pairs lack chosen_unsafe and rejected_unsafe; "
                "label them (label_costs) or take bradley_terry"
            )
        signs = pairs.unsafe.to(costs.dtype) * 2.0 - 1.0
        losses = losses - logsigmoid(signs * costs).sum(1)
        right = ((costs.detach() > 0) == pairs.unsafe).to(costs.dtype).mean()
        return losses.mean(), metrics | {"sign_accuracy": right}
