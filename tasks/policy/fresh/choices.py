"""Which of a prompt's k responses are compared with which: rules on preferences, without a model."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tasks.engine.schema import Frozen

Floats = npt.NDArray[np.float64]
Pairs = list[tuple[int, int]]
"""Places of two responses each, the one that ranks higher first."""


class FirstTwo(Frozen):
    """The first two responses: plain sampling of a pair."""

    kind: Literal["first_two"] = "first_two"

    def require(self, responses: int) -> None:
        """Raise ValueError if ``responses`` a prompt do not do."""

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return 1

    def pairs(self, wins: Floats, ranks: Sequence[int], rng: np.random.Generator) -> Pairs:
        """Pairs of ``wins`` [k, k] (probability that row beats column); ``ranks`` are places, best first."""
        return [(0, 1)]


class BestWorst(Frozen):
    """The best against the worst (RLHF Workflow's max_min; INPO by rewards)."""

    kind: Literal["best_worst"] = "best_worst"

    def require(self, responses: int) -> None:
        """Raise ValueError if ``responses`` a prompt do not do."""

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return 1

    def pairs(self, wins: Floats, ranks: Sequence[int], rng: np.random.Generator) -> Pairs:
        """The first against the last rank."""
        return [(ranks[0], ranks[-1])]


class BestOther(Frozen):
    """The best against the second best (max_max), or against a random other one (max_random)."""

    kind: Literal["best_other"] = "best_other"
    other: Literal["second", "random"] = Field("random", description="Against which one")

    def require(self, responses: int) -> None:
        """Raise ValueError if ``responses`` a prompt do not do."""

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return 1

    def pairs(self, wins: Floats, ranks: Sequence[int], rng: np.random.Generator) -> Pairs:
        """The first rank against the second or a random one below it."""
        place = 1 if self.other == "second" else int(rng.integers(1, len(ranks)))
        return [(ranks[0], ranks[place])]


class RandomTwo(Frozen):
    """Two different responses at random."""

    kind: Literal["random"] = "random"

    def require(self, responses: int) -> None:
        """Raise ValueError if ``responses`` a prompt do not do."""

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return 1

    def pairs(self, wins: Floats, ranks: Sequence[int], rng: np.random.Generator) -> Pairs:
        """Two places without replacement."""
        first, second = rng.choice(len(ranks), size=2, replace=False).tolist()
        return [(first, second)]


class Tournament(Frozen):
    """INPO's (arXiv 2407.00617, appendix B): winners meet winners, losers meet losers, 3k/2 - 1 comparisons.

    The champion is compared with the last and the pair is kept only if it wins; a tie goes to the earlier response.
    """

    kind: Literal["tournament"] = "tournament"

    def require(self, responses: int) -> None:
        """Raise ValueError unless ``responses`` is a power of two of 4 or more."""
        if responses < 4 or responses & (responses - 1):
            raise ValueError(f"choice tournament wants 4, 8, 16 ... responses a prompt, per_prompt is {responses}")

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return 1

    def pairs(self, wins: Floats, ranks: Sequence[int], rng: np.random.Generator) -> Pairs:
        """Champion against last, or nothing."""
        places = list(range(len(ranks)))
        upper, lower = _meet(wins, places)
        while len(upper) > 1:
            upper = _meet(wins, upper)[0]
            lower = _meet(wins, lower)[1]
        return [(upper[0], lower[0])] if wins[upper[0], lower[0]] > 0.5 else []


class RankedPairs(Frozen):
    """Several pairs a prompt by rank (OSP, arXiv 2405.14103; the paper's pairing is not at hand, halves is ours)."""

    kind: Literal["ranked"] = "ranked"
    rule: Literal["halves", "adjacent", "all"] = Field(
        "halves", description="Rank i with rank i + k/2 (similar gaps), with rank i + 1, or with every lower one"
    )

    def require(self, responses: int) -> None:
        """Raise ValueError if ``responses`` cannot be halved."""
        if self.rule == "halves" and responses % 2:
            raise ValueError(f"choice ranked by halves wants an even per_prompt, it is {responses}")

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return {"halves": responses // 2, "adjacent": responses - 1, "all": responses * (responses - 1) // 2}[self.rule]

    def pairs(self, wins: Floats, ranks: Sequence[int], rng: np.random.Generator) -> Pairs:
        """All pairs of the rule, the higher rank first."""
        if self.rule == "all":
            return list(combinations(ranks, 2))
        if self.rule == "adjacent":
            return list(pairwise(ranks))
        half = len(ranks) // 2
        return list(zip(ranks[:half], ranks[half:], strict=True))


class WholeGroup(Frozen):
    """No pairs: all k responses are one row, best first, with their rewards (BRAIn, arXiv 2402.02479)."""

    kind: Literal["whole_group"] = "whole_group"

    def require(self, responses: int) -> None:
        """Raise ValueError if ``responses`` a prompt do not do."""

    def rows(self, responses: int) -> int:
        """Rows that a prompt makes at most."""
        return 1


PairChoice = Annotated[
    FirstTwo | BestWorst | BestOther | RandomTwo | Tournament | RankedPairs | WholeGroup, Field(discriminator="kind")
]


def _meet(wins: Floats, places: Sequence[int]) -> tuple[list[int], list[int]]:
    """Winners and losers of neighbours; a tie goes to the first."""
    matches = list(zip(places[::2], places[1::2], strict=True))
    won = [first if wins[first, second] >= 0.5 else second for first, second in matches]
    lost = [second if wins[first, second] >= 0.5 else first for first, second in matches]
    return won, lost
