"""Win rates over sampling temperatures, which papers that decode greedily report."""

from typing import Any

from prefect.futures import PrefectFuture

from flows.matched import MatchedConfig, Shared
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.stages import measure_temperatures


def measure_curve(
    config: MatchedConfig, shared: Shared, name: str, policy: PrefectFuture[Any], suite: str
) -> list[Pending]:
    """An arm's policy (of a series, the last) at the further temperatures, if any: points ``T0`` and so on."""
    settings = config.evaluation
    if not settings.temperatures:
        return []
    with arm(name, shared.seed):
        curve = measure_temperatures.submit(
            policy, shared.sft, shared.evaluation, settings.decoding, settings.temperatures, config.model, shared.seed
        )
    return [Pending(name, shared.seed, suite, curve)]
