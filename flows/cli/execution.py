"""Running a flow in this process: with the servers of ``rlhf up`` where they are up, alone otherwise."""

import atexit
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from flows.cli.progress import progress_bars
from tasks.engine.addresses import LOOPBACK, free_port, pass_password_on, running_servers
from tasks.engine.home import prepare_environment
from tasks.engine.servers import Server, prefect_server

if TYPE_CHECKING:
    from flows.report import Report

QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
"""Prefect's log lines go to its server, not over the progress bars."""


@dataclass(frozen=True)
class Request:
    """What the user asked to run."""

    paper: str
    scale: str
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    arms: tuple[str, ...] = ()
    data: str = ""
    suites: tuple[str, ...] = ()


def execute(request: Request) -> "Report":
    """Run a paper and return what it found. Raises UserError for what the user can put right."""

    def prepare() -> tuple[Any, Any]:
        from flows.catalog import open_flow, open_paper
        from flows.scales import load_config

        paper = open_paper(request.paper)
        config = load_config(
            paper, request.scale, request.overrides, request.seeds, request.arms, request.data, request.suites
        )
        return open_flow(paper), config

    return cast("Report", run_flow(prepare, f"{request.paper} {request.scale}"))


def run_flow(prepare: Callable[[], tuple[Any, Any]], title: str) -> Any:
    """Run the flow with the configuration that ``prepare`` returns; it imports both while the server starts."""
    server = api_server()
    flow, config = prepare()
    if server is not None:
        server.wait()
    with ExitStack() as stack:
        if server is not None:
            stack.enter_context(_without_heartbeat())
        stack.enter_context(progress_bars(title))
        return flow(config)


def api_server() -> Server | None:
    """Lead Prefect and MLflow to servers that are up, or start a Prefect server of our own (it is not ready yet).

    Prefect's own temporary server would outlive a killed run; this one does not. It starts while the paper's
    modules are imported.
    """
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    os.environ.update({name: value for name, value in running_servers().items() if name not in os.environ})
    pass_password_on()
    prepare_environment()
    if os.environ.get("PREFECT_API_URL"):
        return None
    server = prefect_server(LOOPBACK, free_port(LOOPBACK), ui=False)
    os.environ["PREFECT_API_URL"] = f"{server.url}/api"
    server.start()
    # Prefect hands over its last events when the interpreter ends, and waits for ever for a server that is gone.
    atexit.register(server.stop)
    return server


def _without_heartbeat() -> Any:
    """Nobody watches a server that ends with the run, and a heartbeat's thread costs a second at the end."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
