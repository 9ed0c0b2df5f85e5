"""How much of an implicit reward is length: the regression of the direct-alignment scaling laws (arXiv 2406.02900)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tasks.engine.schema import UserError


class LengthRegression(NamedTuple):
    """A line through the origin."""

    slope: float
    """Nats a token."""
    r_squared: float
    """Share of the log-ratio's variance explained, at most 1; below 0 where the constant mean explains more."""


def regress_on_length(log_ratio: ArrayLike, tokens: ArrayLike) -> LengthRegression:
    """Least squares of log(pi / pi_ref)(y) = c |y| + e over responses; both arguments are [responses].

    The equation has no intercept, and R^2 = 1 - sum e^2 / sum (z - mean z)^2 is against the mean, as usual: a policy
    that has not moved has 0 in both, and then R^2 counts as 0.

    Raises UserError if the two differ in shape, are empty, or a value is not finite.
    """
    ratio, length = np.asarray(log_ratio, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    if ratio.ndim != 1 or ratio.shape != length.shape or not ratio.size:
        raise UserError(
            f"a length regression wants log-ratios and lengths [responses], not {ratio.shape}, {length.shape}"
        )
    if not (np.isfinite(ratio).all() and np.isfinite(length).all()):
        raise UserError("a length regression wants finite log-ratios and lengths; leave the other responses out")
    squares = float(length @ length)
    slope = float(length @ ratio) / squares if squares else 0.0
    spread = float(np.square(ratio - ratio.mean()).sum())
    if spread == 0.0:
        return LengthRegression(slope, 0.0)
    return LengthRegression(slope, 1.0 - float(np.square(ratio - slope * length).sum()) / spread)
