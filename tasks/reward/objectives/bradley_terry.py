"""The Bradley-Terry loss of reward models, with the regularisers that papers add to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.reward.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.reward.objectives.pairs import ScoredPairs


class BradleyTerry(Frozen):
    """Negative log-likelihood of the labels under P(w beats l) = sigma(r_w - r_l), plus penalties.

    L = -(1 - e) log sigma(D - m) - e log sigma(-(D - m)) + k (r_w + r_l)^2 + c (r_w^2 + r_l^2), D = r_w - r_l,
    mean over pairs. Sources: Ouyang et al. 2022 (2203.02155, Eq. 1); centring k of Eisenstein et al. 2023
    (2312.09244); squares c of PAR (2502.18770, baseline Reg, c = .005) or, halved, of Open-Assistant's reward
    models, which Coste et al. (2310.02743) use with .001.
    """

    heads: ClassVar[tuple[str, ...]] = ("reward",)
    higher_is_better: ClassVar[bool] = True
    every_token: ClassVar[bool] = False

    kind: Literal["bradley_terry"] = "bradley_terry"
    margin: float = Field(0.0, ge=0.0, le=100.0, description="m: difference of rewards that a label asks for")
    label_smoothing: float = Field(0.0, ge=0.0, le=0.499, description="e: assumed share of flipped labels")
    centring: float = Field(0.0, ge=0.0, le=10.0, description="k: pulls the sum of a pair's rewards to 0 (e.g. 0.01)")
    square_penalty: float = Field(0.0, ge=0.0, le=10.0, description="c: weight of squared rewards (PAR's Reg: 0.005)")
    squares: Literal["sum", "half_sum"] = Field(
        "sum", description="c (r_w^2 + r_l^2) as PAR writes it, or half of it as Open-Assistant (c = 0.001) has it"
    )

    def loss(self, pairs: ScoredPairs) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over pairs of the loss above; ``pairs.scores`` is [pairs, 2, 1]."""
        from torch.nn.functional import logsigmoid

        scores = pairs.scores.squeeze(-1)
        chosen, rejected = scores.unbind(dim=1)
        distance = chosen - rejected - self.margin
        smooth = self.label_smoothing
        likelihood = (1.0 - smooth) * logsigmoid(distance) + smooth * logsigmoid(-distance)
        weight = self.square_penalty * (0.5 if self.squares == "half_sum" else 1.0)
        penalty = self.centring * (chosen + rejected).square() + weight * scores.square().sum(1)
        return (penalty - likelihood).mean(), pair_metrics(scores) | {"penalty": penalty.detach().mean()}
