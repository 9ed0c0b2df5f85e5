"""Which of a paper's claims a run can settle: those whose arms it trains."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Evidence, MeanOfArms

READ = ("arm", "baseline", "other_arm", "other_baseline", "arms", "baselines", "points")
"""Fields of evidence that name arms, or points of them."""


def claims_on_arms(claims: Iterable[Claim], arms: Collection[str]) -> tuple[Claim, ...]:
    """The claims that read no other arm than ``arms``: one that cannot be settled must not widen the others' intervals.

    Claims are judged jointly, so every claim in the family costs the rest some certainty.
    """
    return tuple(claim for claim in claims if set(arms_of(claim.evidence)) <= set(arms))


def arms_of(evidence: Evidence) -> Iterator[str]:
    """The arms that a claim's evidence reads; of a checkpoint or a temperature its arm."""
    for name in READ:
        value: Any = getattr(evidence, name, ())
        for one in value if isinstance(value, tuple) else (value,):
            for arm in one.arms if isinstance(one, MeanOfArms) else (one,):
                yield arm.partition("@")[0]
