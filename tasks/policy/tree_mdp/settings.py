"""The toy of the direct-alignment scaling-laws paper as settings (arXiv 2406.02900, its section on tree MDPs)."""

from typing import Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen


class TreeMDP(Frozen):
    """A tree of equal branching; a trajectory is a path from the root to a leaf.

    The paper's text was not at hand: branching and depth are from memory, sizes and budgets are ours. The policy reads
    the actions taken so far through one hidden layer, so states share parameters: with a table of free probabilities
    preferring one trajectory would leave every other subtree as it was.
    """

    actions: int = Field(3, ge=2, le=8, description="Actions in every state (paper: 3)")
    depth: int = Field(3, ge=1, le=5, description="Actions of a trajectory (paper: 3, from memory)")
    pairs: int = Field(1, ge=1, le=1000, description="Preference pairs of a problem (paper: one or a few)")
    problems: int = Field(20, ge=1, le=10_000, description="Problems: each draws its own pairs and first weights")
    hidden: int = Field(8, ge=1, le=1024, description="Width of the policy's hidden layer (ours)")
    reference_steps: int = Field(
        100, ge=0, le=100_000, description="Steps of maximum likelihood on both responses that make the reference"
    )
    steps: int = Field(400, ge=1, le=100_000, description="Steps of the direct alignment objective")
    learning_rate: float = Field(1e-2, ge=1e-6, le=10.0, description="Adam's rate, of both trainings")
    snapshots: int = Field(4, ge=1, le=100, description="Points measured along the steps, evenly spread")

    @model_validator(mode="after")
    def _pairs_fit_the_tree(self) -> Self:
        leaves = self.actions**self.depth
        if 2 * self.pairs >= leaves:
            raise ValueError(f"{self.pairs} pairs cover the tree's {leaves} trajectories; leave some in no pair")
        return self
