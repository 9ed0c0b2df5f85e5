"""``rlhf run``."""

import os
import signal
import sys
import threading
from typing import Annotated, NoReturn

import typer

from flows.cli.output import print_json, say_error
from tasks.engine.home import check_home
from tasks.engine.schema import UserError

SOME_FAILED, INTERRUPTED = 3, 130
PATIENCE_SECONDS = 10.0


def run_paper(
    paper: Annotated[str, typer.Argument(help="Key of the paper; `rlhf list` names them.")],
    scale: Annotated[str, typer.Option(help="smoke, laptop, gpu; `rlhf list` says what there is.")] = "laptop",
    seeds: Annotated[str, typer.Option(help="Seeds, e.g. 0,1,2.")] = "",
    arms: Annotated[str, typer.Option(help="Arms to compare, e.g. sft,dpo; `rlhf show` names them.")] = "",
    data: Annotated[str, typer.Option(help="Real data: a file, a folder, a glob or a Hub id.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="path=value, e.g. policy.beta=0.05; as often as you like.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run a paper's comparison. What has been computed before, for any paper, is not computed again."""
    from flows.catalog import find_entry
    from flows.cli.execution import Request, execute
    from flows.scales import section_of

    find_entry(paper)
    section_of(paper, scale)
    request = Request(paper, scale, tuple(settings or ()), _numbers(seeds), _names(arms), data)
    check_home()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    try:
        report = execute(request)
    except KeyboardInterrupt:
        _leave_now()
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        from flows.cli.report import show_report

        show_report(report)
    if report.failures:
        raise typer.Exit(SOME_FAILED)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(name) for name in _names(text))
    except ValueError as error:
        raise UserError(f"--seeds {text}: write whole numbers with commas, e.g. --seeds 0,1,2") from error


def _interrupt(signum: int, frame: object) -> NoReturn:
    """End stages and close tracked runs in order, but not for long; the second time, leave at once."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, lambda *_: _leave_now())
    last_call = threading.Timer(PATIENCE_SECONDS, _leave_now)
    last_call.daemon = True
    last_call.start()
    raise KeyboardInterrupt


def _leave_now() -> NoReturn:
    """Exit without waiting for threads; stages and servers end with this process, and checkpoints are whole."""
    say_error("interrupted; the same command resumes")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
