"""Papers whose arms learn from one judge of responses: who it is, and how all arms are measured by it."""

from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture

from flows.matched import MatchedConfig, Shared, benchmark
from flows.reinforcement.matched import GOLD, Reward
from flows.temperatures import measure_curve
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.stages import measure_demonstrations, measure_rewarded_series
from tasks.policy.fresh.labellers import RewardLabels


@dataclass(frozen=True)
class Judge:
    """Who says which response is better, and by whose reward all arms are measured besides the true one."""

    labels: RewardLabels
    fitted: list[Reward]


def measure_arm(
    config: MatchedConfig, shared: Shared, name: str, policy: PrefectFuture[Any], judge: Judge, named: bool = True
) -> list[Pending]:
    """Every checkpoint of an arm by gold reward, the judge's reward, KL and length; benchmarks if it is a ``named`` arm
    and no point of a sweep.
    """
    with arm(name, shared.seed):
        scores = measure_rewarded_series.submit(
            policy,
            shared.sft,
            shared.evaluation,
            config.evaluation.decoding,
            judge.labels.source,
            list(judge.fitted),
            config.model,
            shared.seed,
        )
    return [
        Pending(name, shared.seed, GOLD, scores, policy),
        *measure_curve(config, shared, name, policy, GOLD),
        *(benchmark(config, shared, name, policy) if named else []),
    ]


def measure_start(config: MatchedConfig, shared: Shared, judge: Judge) -> list[Pending]:
    """The SFT model, where every arm starts, and the demonstrators' own answers."""
    with arm("demonstrations", shared.seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        *measure_arm(config, shared, "sft", shared.sft, judge),
        Pending("demonstrations", shared.seed, GOLD, demonstrated),
    ]
