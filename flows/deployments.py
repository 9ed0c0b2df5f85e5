"""A deployment for every paper and scale, whose form opens with that scale's values; and the process serving them."""

import functools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.catalog import PAPERS, open_flow, open_paper
from flows.scales import load_config, sections
from tasks.engine.home import prepare_environment
from tasks.engine.servers import Server

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

    from flows.paper import Paper

SLUG = "nightly"
CRON = {"smoke": "0 2 * * *", "laptop": "0 3 * * *", "gpu": "0 4 * * *", "cluster": "0 5 * * *"}
ASLEEP = frozenset({"gpu", "cluster"})
"""Scales whose nightly schedule waits to be switched on."""
RUNS_AT_ONCE = 4
EVALUATION = "benchmarks"


def deployment_names() -> list[str]:
    """``<paper>/<scale>`` of every paper's deployments, and the one of evaluation; imports no paper."""
    return [*paper_deployments(), f"evaluate/{EVALUATION}"]


def paper_deployments() -> list[str]:
    """``<paper>/<scale>`` of every paper's deployments."""
    return [f"{key}/{scale}" for key in PAPERS for scale in sections(key)]


def build_deployments(switched: Mapping[str, bool]) -> list["RunnerDeployment"]:
    """Evaluation, and every paper at every scale; ``switched`` says which nightly schedules are on, by name."""
    papers = [(open_paper(key), sections(key)) for key in PAPERS]
    return [*(one for paper, scales in papers for one in build_paper(paper, scales, switched)), build_evaluation()]


def build_evaluation() -> "RunnerDeployment":
    """``evaluate/benchmarks``: the flow of ``rlhf evaluate``, with the same settings as a form; no schedule."""
    from prefect.deployments.runner import RunnerDeployment
    from prefect.types.entrypoint import EntrypointType

    from flows.evaluation.evaluate import EvaluateConfig, evaluate

    return RunnerDeployment.from_flow(
        evaluate,
        name=EVALUATION,
        parameters={"config": EvaluateConfig().model_dump(mode="json")},
        description="Put a model, a served endpoint or a file of outputs through benchmarks.",
        tags=["evaluation"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def build_paper(paper: "Paper", scales: Iterable[str], switched: Mapping[str, bool]) -> list["RunnerDeployment"]:
    """``<paper>/<scale>``: the flow and the configuration of ``rlhf run <paper> --scale <scale>``.

    While one of its runs is going, a further one is cancelled at once: nightly runs never queue up.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment
    from prefect.types.entrypoint import EntrypointType

    # One for all scales: most of the time goes into the form, which they share.
    blank = RunnerDeployment.from_flow(
        open_flow(paper),
        name=paper.key,
        paused=False,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return [
        blank.model_copy(update=fields_at(paper, scale, switched.get(f"{paper.key}/{scale}", scale not in ASLEEP)))
        for scale in scales
    ]


def fields_at(paper: "Paper", scale: str, nightly: bool) -> dict[str, Any]:
    """What a paper's deployment has of its own at ``scale``."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.schedules import Cron

    return {
        "name": scale,
        "parameters": {"config": load_config(paper, scale).model_dump(mode="json")},
        "schedules": [DeploymentScheduleCreate.from_schedule(Cron(CRON[scale], slug=SLUG, active=nightly))],
        "description": describe(paper, scale),
        "tags": [paper.key, paper.family, scale],
    }


def describe(paper: "Paper", scale: str) -> str:
    """The deployment's page in Prefect, in Markdown."""
    minutes = f"about {paper.minutes[scale]:g} minutes" if scale in paper.minutes else "not timed yet"
    arms = [f"- `{name}`: {meaning}" for name, meaning in paper.arms.items()]
    claims = [f"- {claim.statement} ({claim.source}; paper: {claim.paper_value})" for claim in paper.claims]
    lines = [
        f"**{paper.title}** ([arXiv {paper.arxiv}](https://arxiv.org/abs/{paper.arxiv}))",
        paper.summary,
        f"Scale `{scale}`: {minutes} for a first run.",
        "\n".join(["**Arms**", "", *arms]),
        "\n".join(["**Claims**", "", *claims]),
    ]
    return "\n\n".join(lines)


def nightly_switches() -> dict[str, bool]:
    """Which nightly schedules are on now, by deployment name, as somebody may have set them in Prefect."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    switches: dict[str, bool] = {}
    with get_client(sync_client=True) as client:
        for name in paper_deployments():
            try:
                known = client.read_deployment_by_name(name)
            except ObjectNotFound:
                continue
            for schedule in known.schedules:
                if schedule.slug == SLUG:
                    switches[name] = schedule.active
    return switches


def deployment_server(prefect_url: str) -> Server:
    """The process that serves every deployment of the Prefect server at ``prefect_url``."""
    return Server(
        "deployments",
        f"{prefect_url}/deployments",
        ["flows.deployments"],
        functools.partial(are_polled, datetime.now(UTC)),
    )


def are_polled(since: datetime) -> bool:
    """Whether the deployments have been asked after by their process since then.

    It registers one after the other and asks after all of them at once, so the last one tells; to ask for all, forms
    included, twice a second would keep the server from its work.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            polled = client.read_deployment_by_name(deployment_names()[-1]).last_polled
        except ObjectNotFound:
            return False
    return polled is not None and polled >= since


def main() -> None:
    """Register every deployment with the Prefect server and run what is asked of them, until told to stop."""
    prepare_environment()
    from prefect import serve

    serve(*build_deployments(nightly_switches()), limit=RUNS_AT_ONCE, print_starting_message=False)


if __name__ == "__main__":
    main()
