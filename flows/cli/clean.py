"""``rlhf clean``."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.output import grid, messages, results
from tasks.engine.addresses import servers_are_up
from tasks.engine.home import home, prepare_environment
from tasks.engine.locks import file_lock, try_lock
from tasks.engine.schema import UserError

RECOMPUTED = {
    "store": "artifacts: data, trained models, samples, scores",
    "results": "Prefect's cache of finished stages",
    "work": "checkpoints of unfinished stages, logs of stages",
    "logs": "logs of servers",
}
"""What a run makes again if it is gone."""
SPOOL = {"spool": "tracking events, all of them in MLflow"}
HISTORY = {
    "spool": "tracking events",
    "mlflow": "tracked runs: metrics, tables, verdicts",
    "prefect": "Prefect's flow runs and deployments",
    "locks": "locks nobody holds",
    "servers.json": "address of the last servers",
}
"""What is gone for good."""


def clean_home(
    everything: Annotated[bool, typer.Option("--all", help="Also remove tracked runs and Prefect's history.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Free what $RLHF_HOME holds and a run can make again; tracked runs in MLflow stay, unless --all."""
    refuse_while_alive()
    names = RECOMPUTED | (HISTORY if everything else SPOOL if _spools_are_sent() else {})
    sizes = {name: size_of(home() / name) for name in names if (home() / name).exists()}
    if not sizes:
        messages.print(f"{home()}: nothing to remove", soft_wrap=True)
        return
    rows = [(name, megabytes(size), names[name]) for name, size in sizes.items()]
    results.print(grid(f"To be removed from {home()}", ("folder", "size", "what it holds"), rows))
    if not yes:
        _ask()
    for name in sizes:
        path = home() / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    messages.print(f"removed {megabytes(sum(sizes.values()))}")


def refuse_while_alive() -> None:
    """Raise UserError while a run or the servers of this working folder are alive."""
    if servers_are_up():
        raise UserError(f"{home()}: `rlhf up` is running here; stop it first")
    for alive in (home() / "spool").glob("*/alive.lock"):
        lock = file_lock(alive)
        if not try_lock(lock):
            raise UserError(f"{home()}: a run is going on here; wait for it or stop it first")
        lock.release()


def size_of(path: Path) -> int:
    """Bytes on disk of a file or of everything below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def megabytes(size: int) -> str:
    """Bytes as ``12.3 MB``."""
    return f"{size / 1e6:.1f} MB"


def _spools_are_sent() -> bool:
    """Whether MLflow has everything that runs recorded; what it lacks is sent first."""
    if not any((home() / "spool").glob("*/*.jsonl")):
        return True
    prepare_environment()
    from tasks.engine.session import send_leftovers

    sent = send_leftovers()
    if not sent:
        messages.print("the tracking server cannot be reached: what it has not got yet is kept", style="yellow")
    return sent


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UserError("rlhf clean: nobody to ask here; say --yes")
    typer.confirm("Remove this?", abort=True)
