"""Rewards as preferences."""

TIE = 1e-9
"""Rewards closer than this are a tie: sums in another order differ by rounding alone."""


def preference_of(first: float, second: float) -> float:
    """P(second is better) of two rewards by their order: 1, 0, or 0.5 within ``TIE``."""
    if abs(first - second) <= TIE:
        return 0.5
    return float(second > first)
