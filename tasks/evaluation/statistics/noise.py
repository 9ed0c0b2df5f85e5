"""Where the noise of a mean over seeds and prompts comes from.

Every seed answers the same prompts, so seeds and prompts are crossed random effects: value[s, p] = mean +
seed_s + prompt_p + residual_sp. The noise of the mean has two parts: what differs between seeds (seed
effects and the residual averaged over prompts; S - 1 degrees of freedom) and what the seeds share because
they share prompts (P - 1 degrees of freedom).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Variances of the seed effect, the prompt effect and the residual, in squared units of the metric, >= 0.

    With one seed the residual cannot be told from the prompt effect and is counted there; the seed
    variance is then unknown and stands at 0.
    """

    seed: float
    prompt: float
    residual: float


@dataclass(frozen=True)
class Noise:
    """Variance of the mean as independent parts, each ``(variance, degrees of freedom)``."""

    parts: tuple[tuple[float, int], ...]

    @property
    def standard_error(self) -> float:
        """Standard error of the mean, in units of the metric."""
        return math.sqrt(sum(variance for variance, _ in self.parts))

    def half_width(self, alpha: float) -> float:
        """Half the width of the two-sided 1 - ``alpha`` interval: t half-widths of the parts, in quadrature.

        This is the method of variance estimates recovery (Zou and Donner 2008) with a t interval for each
        part. In simulations with 2 to 5 seeds it covers 95 to 99 % at nominal 95 % whichever part
        dominates; a percentile bootstrap over seeds and prompts falls to about 75 % with three seeds that
        differ much.
        """
        return math.sqrt(sum(special.stdtrit(df, alpha / 2.0) ** 2 * variance for variance, df in self.parts))

    def p_value(self, distance: float) -> float:
        """The alpha at which the interval's half-width is ``distance`` (>= 0): two-sided, in [0, 1]."""
        if distance <= 0.0 or math.isinf(self.standard_error):
            return 1.0
        log_smallest = -300.0
        if self.half_width(math.exp(log_smallest)) <= distance:
            return 0.0
        return math.exp(optimize.brentq(lambda log_p: self.half_width(math.exp(log_p)) - distance, log_smallest, 0.0))


def mean_squares(values: Values) -> tuple[float, float, float]:
    """Two-way analysis of variance without replication: mean squares of seeds, prompts and residual.

    ``values``: [seeds, prompts], at least 2 x 2.
    """
    seeds, prompts = values.shape
    seed_means = values.mean(axis=1, keepdims=True)
    prompt_means = values.mean(axis=0, keepdims=True)
    residual = values - seed_means - prompt_means + values.mean()
    return (
        prompts * float(seed_means.var(ddof=1)),
        seeds * float(prompt_means.var(ddof=1)),
        float(np.square(residual).sum()) / ((seeds - 1) * (prompts - 1)),
    )


def variance_components(values: Values) -> Components:
    """Components from expected mean squares (Searle, Casella and McCulloch 1992); negative estimates
    become 0.

    ``values``: [seeds, prompts]; one seed or one prompt is allowed.
    """
    seeds, prompts = values.shape
    if seeds == 1 or prompts == 1:
        variance = float(values.var(ddof=1)) if values.size > 1 else 0.0
        return Components(0.0, variance, 0.0) if seeds == 1 else Components(variance, 0.0, 0.0)
    by_seed, by_prompt, residual = mean_squares(values)
    return Components(max(0.0, by_seed - residual) / prompts, max(0.0, by_prompt - residual) / seeds, residual)


def noise_of_mean(values: Values) -> Noise:
    """Noise of the grand mean of ``values`` [seeds, prompts], as observed.

    The seed part is by_seed / (S P). The prompt part is (by_prompt - residual) / (S P), except that seeds
    which agree by luck (by_seed < residual) do not shrink the sum below by_prompt / (S P), the noise that the
    prompts alone show. One seed: prompt noise alone. One prompt: seed noise alone. One value: infinite.
    """
    seeds, prompts = values.shape
    if values.size == 1:
        return Noise(((math.inf, 1),))
    if seeds == 1 or prompts == 1:
        return Noise(((float(values.var(ddof=1)) / values.size, values.size - 1),))
    by_seed, by_prompt, residual = mean_squares(values)
    shared = max(by_prompt, residual) - min(by_seed, residual)
    return Noise(((by_seed / values.size, seeds - 1), (shared / values.size, prompts - 1)))


def expected_noise(components: Components, seeds: int, prompts: int) -> Noise:
    """Noise of the mean to expect from another number of seeds and prompts (not both 1)."""
    residual = components.residual / (seeds * prompts)
    if seeds == 1:
        return Noise((((components.prompt / prompts) + residual, prompts - 1),))
    if prompts == 1:
        return Noise(((components.seed / seeds + residual, seeds - 1),))
    return Noise(((components.seed / seeds + residual, seeds - 1), (components.prompt / prompts, prompts - 1)))
