"""The compared pair of a group that holds further responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.policy.objectives.scores import ScoredGroup

if TYPE_CHECKING:
    from torch import Tensor


def first_pair(group: ScoredGroup) -> ScoredGroup:
    """Columns 0 (chosen) and 1 (rejected) of every score and length; ``columns`` stay as they are."""

    def two(scores: Tensor) -> Tensor:
        return scores[:, :2]

    anchors = {name: two(scores) for name, scores in group.anchors.items()}
    return ScoredGroup(two(group.policy), anchors, two(group.lengths), group.columns)
