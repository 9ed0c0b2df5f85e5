"""What a metric is."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric: what it means, how it is computed, its ``unit``, which way is better, and its range."""

    meaning: str
    formula: str
    """As a reader would write it; per prompt, unless it is logged for a whole run."""
    unit: str
    direction: Literal["higher", "lower", "neither"]
    """Which values are better; ``neither`` for what is only described (a length, a learning rate)."""
    lowest: float = -math.inf
    highest: float = math.inf


def share(meaning: str, formula: str, direction: Literal["higher", "lower", "neither"] = "higher") -> Metric:
    """A metric in [0, 1]."""
    return Metric(meaning, formula, "share", direction, 0.0, 1.0)
