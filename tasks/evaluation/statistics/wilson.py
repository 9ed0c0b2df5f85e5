"""Wilson's score interval of a share of independent trials."""

from tasks.engine.schema import UserError


def wilson_interval(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval (low, high) in [0, 1] of the share ``successes / n`` (Wilson 1927), which it contains.

    ``successes`` is in [0, n]; a tie may count half. ``level`` is the nominal coverage, in (0, 1). Raises UserError
    if ``n`` is below 1 or ``successes`` outside [0, n].
    """
    from statsmodels.stats.proportion import proportion_confint

    if n < 1 or not 0.0 <= successes <= n:
        raise UserError(
            f"a share wants 0 <= successes <= n and n >= 1, not {successes:g} of {n}; count the trials again"
        )
    low, high = proportion_confint(successes, n, alpha=1.0 - level, method="wilson")
    share = successes / n
    return max(0.0, min(float(low), share)), min(1.0, max(float(high), share))
