"""Papers whose arms learn from one judge of responses: who it is, and how all arms are measured by it."""

from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture

from flows.matched import MatchedConfig, Shared
from flows.reinforcement.matched import GOLD, Reward, measure_course, measure_policy
from flows.reinforcement.matched import measure_start as measure_sft
from flows.temperatures import measure_curve
from tasks.evaluation.collecting import Pending
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
    measure = measure_policy if named else measure_course
    course = measure(config, shared, name, policy, judge.labels.source, judge.fitted)
    return [*course, *measure_curve(config, shared, name, policy, GOLD)]


def measure_start(config: MatchedConfig, shared: Shared, judge: Judge) -> list[Pending]:
    """The SFT model, where every arm starts, and the demonstrators' own answers."""
    start = measure_sft(config, shared, judge.fitted, judge.labels.source)
    return [*start, *measure_curve(config, shared, "sft", shared.sft, GOLD)]
