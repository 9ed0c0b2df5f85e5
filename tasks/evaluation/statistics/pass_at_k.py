"""Chance that one of k samples passes, estimated without bias from n samples (Chen et al. 2021, 2107.03374, eq. 1)."""

import math

from tasks.engine.schema import UserError


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """1 - C(n - c, k) / C(n, k) of a problem with ``samples`` n of which ``passed`` c pass, in [0, 1].

    Computed as 1 - prod over i in n - c + 1 .. n of (1 - k / i), which overflows nowhere.

    Raises:
        UserError: not 1 <= k <= samples, or not 0 <= passed <= samples.
    """
    if not 1 <= k <= samples:
        raise UserError(f"pass@{k} wants at least {k} samples of every problem; there are {samples}")
    if not 0 <= passed <= samples:
        raise UserError(f"{passed} of {samples} samples passed; wanted is a number from 0 to {samples}")
    if samples - passed < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(samples - passed + 1, samples + 1))
