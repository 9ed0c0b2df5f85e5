"""How many seeds or prompts would settle a question."""

from collections.abc import Callable
from dataclasses import dataclass

from scipy import stats

from tasks.evaluation.statistics.noise import Components, expected_noise

MOST_SEEDS = 1_000
MOST_PROMPTS = 1_000_000


@dataclass(frozen=True)
class Settling:
    """Sample sizes that would settle a question, each with the other kept as it is; None where none would."""

    seeds: int | None
    prompts: int | None


def n_to_settle(
    components: Components, n_seeds: int, n_prompts: int, *, distance: float, alpha: float, power: float = 0.8
) -> Settling:
    """Smallest numbers with which the 1 - ``alpha`` interval excludes the threshold with probability
    ``power``.

    ``distance`` is that of the effect from the threshold, in units of the metric, and taken as the true
    one: after a lucky run the answer is too small. None means that more of this kind alone cannot do it
    (seed noise stays however many prompts, and the reverse), or not below ``MOST_SEEDS``,
    ``MOST_PROMPTS``; with one seed the seed noise is unknown, so ``seeds`` is None.
    """
    quantile = float(stats.norm.isf(1.0 - power))

    def enough(seeds: int, prompts: int) -> bool:
        noise = expected_noise(components, seeds, prompts)
        return noise.half_width(alpha) + quantile * noise.standard_error <= distance

    by_seeds = _smallest(lambda n: enough(n, n_prompts), n_seeds, MOST_SEEDS) if n_seeds > 1 else None
    by_prompts = _smallest(lambda n: enough(n_seeds, n), n_prompts, MOST_PROMPTS) if n_prompts > 1 else None
    return Settling(by_seeds, by_prompts)


def _smallest(enough: Callable[[int], bool], above: int, most: int) -> int | None:
    """Smallest n in (above, most] for which the monotone ``enough`` holds, by bisection."""
    if above >= most or not enough(most):
        return None
    too_few, plenty = above, most
    while plenty - too_few > 1:
        middle = (too_few + plenty) // 2
        too_few, plenty = (too_few, middle) if enough(middle) else (middle, plenty)
    return plenty
