"""A paper's claims, written so that scores can support or refute them."""

from dataclasses import dataclass
from typing import Literal

from tasks.evaluation.evidence import Evidence

Direction = Literal["above", "below", "within"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One directional statement of a paper.

    Above: the effect exceeds ``threshold``; below: it falls short of it; within: it lies in
    [-threshold, threshold] (use it for "about equal", with the difference one would still call equal).
    """

    key: str
    """Short name, unique within the paper."""
    statement: str
    """What is claimed, in the field's words."""
    source: str
    """Where the paper says so: table, figure or section."""
    paper_value: str
    """The paper's own number, as text; it is shown beside ours and never tested against."""
    evidence: Evidence
    direction: Direction = "above"
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.direction == "within" and self.threshold <= 0.0:
            raise ValueError(f"claim '{self.key}': 'within' wants a threshold above 0")

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The values that the interval must exclude for a verdict."""
        return (-self.threshold, self.threshold) if self.direction == "within" else (self.threshold,)
