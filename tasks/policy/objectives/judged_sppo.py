"""SPPO on fresh pairs, whose judge says how often each response wins against the others of its prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.sppo import SPPO

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class JudgedSPPO(Frozen):
    """``SPPO`` that reads its win rates from the column ``rewards``.

    There a pairwise judge writes the mean probability of beating the other samples of the prompt, all of them compared:
    P(y > pi_t) as SPPO estimates it (arXiv 2405.00675, section 4). Rewards of another judge are no win rates.
    """

    anchors_needed: ClassVar[tuple[str, ...]] = SPPO.anchors_needed
    columns_needed: ClassVar[tuple[str, ...]] = ("rewards",)

    sppo: SPPO = Field(SPPO(), description="The paper's objective")

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``SPPO.loss``; raises ValueError for rewards outside [0, 1], which no pairwise judge gives."""
        wins = group.columns["rewards"]
        if bool(((wins < 0.0) | (wins > 1.0)).any()):
            raise ValueError("SPPO wants rates of winning in [0, 1]; label its pairs by a pairwise judge")
        return self.sppo.loss(replace(group, columns={**group.columns, "win_rates": wins}))
