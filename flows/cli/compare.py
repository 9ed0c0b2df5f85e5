"""``rlhf compare``."""

import os
from typing import Annotated

import typer

from flows.cli.output import grid, print_json, results
from tasks.engine.addresses import running_servers
from tasks.engine.home import check_home, prepare_environment


def compare_runs(
    first: Annotated[str, typer.Argument(help="MLflow run id of an evaluation (`rlhf evaluate` prints it).")],
    second: Annotated[str, typer.Argument(help="The run to compare it with.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Two evaluations, paired on the prompts; refused where they did not measure the same thing."""
    check_home()
    os.environ.update({name: value for name, value in running_servers().items() if name not in os.environ})
    prepare_environment()
    from flows.evaluation.comparing import as_records, compare_evaluations, read_evaluation

    one, other = read_evaluation(first), read_evaluation(second)
    rows = compare_evaluations(one, other)
    if as_json:
        print_json(as_records(rows))
        return
    lines = [
        (row.suite, row.metric, f"{row.first:.4g}", f"{row.second:.4g}",
         f"{row.difference:+.4g} \\[{row.low:+.4g}, {row.high:+.4g}]", str(row.n))
        for row in rows
    ]  # fmt: skip
    table = grid(
        f"{one.subject} - {other.subject}",
        ("suite", "metric", "first", "second", "difference, 95 % interval", "prompts"),
        lines,
    )
    table.caption = "; ".join(sorted({row.remark for row in rows if row.remark}))
    results.print(table)
