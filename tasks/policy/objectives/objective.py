"""The shape every preference objective has; the preference loop asks for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.policy.objectives.scores import ScoredGroup


class Objective(Protocol):
    """A paper's loss: fields are its hyperparameters, ``loss`` is its formula."""

    anchors_needed: ClassVar[tuple[str, ...]]
    """Names of the frozen models whose scores ``loss`` reads from ``ScoredGroup.anchors``."""

    def loss(self, group: ScoredGroup) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss over rows (scalar, with gradient) and detached scalar metrics."""
        ...
