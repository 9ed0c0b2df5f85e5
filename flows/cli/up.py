"""``rlhf up``."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated

import typer

from flows.cli.output import grid, messages, results, say_error
from tasks.engine.addresses import (
    LOOPBACK,
    MLFLOW_PORT,
    PREFECT_PORT,
    announced,
    check_host,
    choose_port,
    only_servers,
    pass_password_on,
)
from tasks.engine.home import check_home, home, prepare_environment
from tasks.engine.locks import file_lock
from tasks.engine.servers import Server, ServerDied, mlflow_server, prefect_server

HEARTBEAT_SECONDS = 60
WATCH_SECONDS = 0.5
Port = Annotated[int, typer.Option(help="Port; 0: the usual one, or a free one where that is taken.")]


def serve_everything(
    host: Annotated[
        str, typer.Option(help="Where Prefect listens; beyond this machine only with a password.")
    ] = LOOPBACK,
    prefect_port: Port = 0,
    mlflow_port: Port = 0,
) -> None:
    """Start Prefect, MLflow and the process that serves every paper's deployments; Ctrl-C stops them all."""
    check_host(host)
    check_home()
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler)
    with only_servers():
        prefect = prefect_server(host, _port(host, prefect_port, PREFECT_PORT, "--prefect-port"))
        mlflow = mlflow_server(_port(LOOPBACK, mlflow_port, MLFLOW_PORT, "--mlflow-port"))
        lead_to(prefect, mlflow)
        try:
            _serve(prefect, mlflow)
        except KeyboardInterrupt:
            messages.print("stopped")
        except ServerDied as error:
            say_error(f"{error}; the other servers have been stopped")
            raise typer.Exit(1) from error


def lead_to(prefect: Server, mlflow: Server) -> None:
    """Point this process, and those it starts, to the two servers."""
    os.environ["PREFECT_API_URL"] = f"{prefect.url}/api"
    os.environ["MLFLOW_TRACKING_URI"] = mlflow.url
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_SECONDS))
    pass_password_on()
    prepare_environment()


def _port(host: str, wanted: int, usual: int, option: str) -> int:
    port = choose_port(host, wanted, usual, option)
    if not wanted and port != usual:
        messages.print(f"port {usual} is taken; using {port} instead of it")
    return port


def _serve(prefect: Server, mlflow: Server) -> None:
    """Start everything, say where it is, and watch it; whatever ends this ends all of it, the last started first."""
    with ExitStack() as stack:
        with file_lock(home() / "locks" / "mlflow-schema.lock"):
            _start([prefect, mlflow], stack)
        _heal()
        from flows.deployments import deployment_server

        deployments = deployment_server(prefect.url)
        _start([deployments], stack)
        stack.enter_context(announced(prefect.url, mlflow.url))
        servers = [prefect, mlflow, deployments]
        _show(servers)
        while True:
            time.sleep(WATCH_SECONDS)
            for server in servers:
                server.check_alive()


def _start(servers: Sequence[Server], stack: ExitStack) -> None:
    for server in servers:
        stack.callback(server.stop)
        server.start()
    with messages.status(f"starting {' and '.join(server.name for server in servers)} ..."):
        for server in servers:
            server.wait()


def _heal() -> None:
    """Put right what died while nobody watched, and have Prefect watch from now on."""
    from tasks.engine.session import send_leftovers
    from tasks.engine.zombies import close_dead_flow_runs, watch_heartbeats

    watch_heartbeats(int(os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]))
    close_dead_flow_runs()
    send_leftovers()


def _show(servers: Sequence[Server]) -> None:
    rows = [
        (server.name, server.url, "[green]healthy[/]" if server.healthy() else "[red]unwell[/]") for server in servers
    ]
    results.print(grid(f"Servers of {home()}", ("server", "address", "health"), rows))
    results.print("Ctrl-C stops them; `rlhf run` in this folder uses them meanwhile.")
