"""The shape every objective of reward fitting has; the fitting loop asks for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.reward.objectives.pairs import ScoredPairs


class FittingObjective(Protocol):
    """A loss on compared responses: fields are its hyperparameters, ``loss`` is its formula."""

    heads: ClassVar[tuple[str, ...]]
    """Names of the linear heads it fits; the first is the one that rewards are taken from."""
    higher_is_better: ClassVar[bool]
    """Whether the preferred response is to have the higher score; not so for costs."""
    every_token: ClassVar[bool]
    """Whether it reads scores after every token, not at the last one alone."""

    def loss(self, pairs: ScoredPairs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss over pairs (scalar, with gradient) and detached scalar metrics."""
        ...
