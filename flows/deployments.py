"""A deployment for every paper and scale, whose form opens with that scale's values; and the process serving them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.catalog import PAPERS, open_paper
from flows.paper import Paper
from flows.scales import load_config, sections
from tasks.engine.home import prepare_environment

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

SLUG = "nightly"
CRON = {"smoke": "0 2 * * *", "laptop": "0 3 * * *", "gpu": "0 4 * * *", "cluster": "0 5 * * *"}
ASLEEP = frozenset({"gpu", "cluster"})
"""Scales whose nightly schedule waits to be switched on."""
RUNS_AT_ONCE = 4


def all_deployments(active: dict[str, bool] | None = None) -> list["RunnerDeployment"]:
    """Every paper at every scale of its YAML file; ``active`` overrides which schedules are on, by name."""
    papers = [open_paper(key) for key in PAPERS]
    return [deployment(paper, scale, active or {}) for paper in papers for scale in sections(paper.key)]


def deployment(paper: Paper, scale: str, active: dict[str, bool]) -> "RunnerDeployment":
    """``<paper>/<scale>``: the same flow and the same configuration as ``rlhf run <paper> --scale <scale>``.

    A run that would start while another of the same deployment is running is cancelled: a nightly run never
    queues behind itself.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.flows import EntrypointType
    from prefect.schedules import Cron

    from tasks.engine.worker import load_flow

    on = active.get(f"{paper.key}/{scale}", scale not in ASLEEP)
    return load_flow(paper.flow).to_deployment(
        scale,
        parameters={"config": load_config(paper, scale).model_dump(mode="json")},
        schedules=[Cron(CRON[scale], slug=SLUG, active=on)],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        description=describe(paper, scale),
        tags=[paper.key, paper.family, scale],
        entrypoint_type=EntrypointType.MODULE_PATH,
        paused=False,
    )
