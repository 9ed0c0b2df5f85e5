"""``rlhf run``."""

from typing import Annotated

import typer

from flows.cli.interrupting import interruptible
from flows.cli.output import print_json
from tasks.engine.home import check_home
from tasks.engine.schema import UserError

SOME_FAILED = 3


def run_paper(
    paper: Annotated[str, typer.Argument(help="Key of the paper; `rlhf list` names them.")],
    scale: Annotated[str, typer.Option(help="smoke, laptop, gpu; `rlhf list` says what there is.")] = "laptop",
    seeds: Annotated[str, typer.Option(help="Seeds, e.g. 0,1,2.")] = "",
    arms: Annotated[str, typer.Option(help="Arms to compare, e.g. sft,dpo; `rlhf show` names them.")] = "",
    data: Annotated[str, typer.Option(help="Real data: a file, a folder, a glob or a Hub id.")] = "",
    suites: Annotated[
        str, typer.Option(help="Benchmarks to put every arm through as well, e.g. tiny_alpaca_eval,gsm8k.")
    ] = "",
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
    request = Request(
        paper, scale, tuple(settings or ()), numbers_in(seeds), names_in(arms), data, names_in(suites)
    )  # fmt: skip
    check_home()
    report = interruptible(lambda: execute(request))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        from flows.cli.report import show_report

        show_report(report)
    if report.failures:
        raise typer.Exit(SOME_FAILED)


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def numbers_in(text: str) -> tuple[int, ...]:
    """Whole numbers between commas. Raises UserError if there is anything else."""
    try:
        return tuple(int(name) for name in names_in(text))
    except ValueError as error:
        raise UserError(f"--seeds {text}: write whole numbers with commas, e.g. --seeds 0,1,2") from error
