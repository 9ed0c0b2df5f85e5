"""Ways to turn a mean and its noise into an interval; each also tells at which alpha it excludes a
threshold."""

import math
from dataclasses import dataclass
from typing import Protocol

from tasks.evaluation.statistics.noise import Noise


class Interval(Protocol):
    """A family of intervals, one for each alpha in (0, 1), that grow as alpha falls."""

    def limits(self, alpha: float) -> tuple[float, float]:
        """Lower and upper end of the 1 - ``alpha`` interval, in units of the metric."""
        ...

    def p_value(self, threshold: float) -> float:
        """Smallest alpha whose interval excludes ``threshold``, in [0, 1]."""
        ...


@dataclass(frozen=True)
class Symmetric:
    """mean +/- t half-width: for values that are bounded by nothing."""

    mean: float
    noise: Noise

    def limits(self, alpha: float) -> tuple[float, float]:
        """See ``Interval``."""
        half = self.noise.half_width(alpha)
        return self.mean - half, self.mean + half

    def p_value(self, threshold: float) -> float:
        """See ``Interval``."""
        return self.noise.p_value(abs(self.mean - threshold))


@dataclass(frozen=True)
class Wilson:
    """Wilson's score interval for a share, rescaled to [lowest, highest].

    Its sample size is the effective one, share (1 - share) / standard_error^2 (Korn and Graubard 1998),
    so seed noise counts; its critical value is the noise's own and not the normal one. Wants 0 < share <
    1 and noise > 0.
    """

    mean: float
    noise: Noise
    lowest: float
    highest: float

    def limits(self, alpha: float) -> tuple[float, float]:
        """See ``Interval``."""
        share, size = self._share(self.mean), self._size()
        critical = self.noise.half_width(alpha) / self.noise.standard_error
        if math.isinf(critical):
            return self.lowest, self.highest
        shrink = 1.0 + critical**2 / size
        centre = (share + critical**2 / (2.0 * size)) / shrink
        half = critical / shrink * math.sqrt(share * (1.0 - share) / size + (critical / (2.0 * size)) ** 2)
        width = self.highest - self.lowest
        return self.lowest + width * (centre - half), self.lowest + width * (centre + half)

    def p_value(self, threshold: float) -> float:
        """See ``Interval``."""
        null = self._share(threshold)
        if not 0.0 < null < 1.0:
            return 0.0
        score = abs(self._share(self.mean) - null) / math.sqrt(null * (1.0 - null) / self._size())
        return self.noise.p_value(score * self.noise.standard_error)

    def _share(self, value: float) -> float:
        return (value - self.lowest) / (self.highest - self.lowest)

    def _size(self) -> float:
        share = self._share(self.mean)
        error = self.noise.standard_error / (self.highest - self.lowest)
        return share * (1.0 - share) / error**2


@dataclass(frozen=True)
class Identical:
    """For a bounded metric whose values are all the same, so that they show no noise.

    With ``n`` prompts at ``value``, at most a share q = 1 - (alpha / 2)^(1 / n) of all prompts can have
    another (Clopper and Pearson 1934; "rule of three"); those could lie at either end of the range.
    """

    value: float
    n: int
    lowest: float
    highest: float

    def limits(self, alpha: float) -> tuple[float, float]:
        """See ``Interval``."""
        other = 1.0 - (alpha / 2.0) ** (1.0 / self.n)
        return (
            self.value - other * (self.value - self.lowest),
            self.value + other * (self.highest - self.value),
        )

    def p_value(self, threshold: float) -> float:
        """See ``Interval``."""
        reach = self.lowest - self.value if threshold < self.value else self.highest - self.value
        if threshold == self.value:
            return 1.0
        other = (threshold - self.value) / reach if reach else 1.0
        return min(1.0, 2.0 * max(0.0, 1.0 - other) ** self.n)
