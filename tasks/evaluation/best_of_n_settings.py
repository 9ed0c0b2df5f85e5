"""How best-of-n is swept over n."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen


class Selector(Frozen):
    """What chooses among the samples of a prompt: one reward model, or an aggregate of an ensemble's members.

    Coste et al. (arXiv 2310.02743), section 3: mean, worst case min_i r_i, and uncertainty-weighted
    mean - penalty x variance.
    """

    kind: Literal["single", "mean", "worst_case", "uncertainty_weighted"] = Field(
        "mean", description="single: each member chooses alone, and the members' curves are averaged"
    )
    penalty: float = Field(
        0.5, ge=0.0, le=1000.0, description="Weight of the members' variance in uncertainty_weighted (paper: 0.5)"
    )
    members: int = Field(0, ge=0, le=1000, description="Use the first so many members; 0: all")


class BestOfNSweep(Frozen):
    """The counts n, and the units that rewards are given in."""

    counts: list[int] = Field(
        [1, 2, 4, 8, 16, 32, 64],
        min_length=1,
        max_length=100,
        description="Values of n; at most the samples a prompt, better a quarter of them (paper: up to 12,500)",
    )
    standardise_members: bool = Field(
        False,
        description="Bring members to mean 0 and variance 1 over all samples; fitted rewards are standardised already",
    )
    standardise_gold: bool = Field(
        False, description="Give gold reward in units of its spread over all samples, 0 at their mean (paper: yes)"
    )
