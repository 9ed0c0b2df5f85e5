"""The end of a run in the terminal: leaderboard, verdicts, what failed, where to look further."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from flows.cli.output import grid, messages, number, results
from flows.cli.verdicts import verdict_table

if TYPE_CHECKING:
    from flows.report import Report

NOT_METRICS = ("arm", "suite", "n_seeds", "n_prompts")


def show_report(report: "Report", columns: int = 6) -> None:
    """Print tables to standard output and failures to standard error."""
    suites = dict.fromkeys(row["suite"] for row in report.leaderboard)
    for suite in suites:
        rows = [row for row in report.leaderboard if row["suite"] == suite]
        results.print(leaderboard_table(rows, f"{report.paper}: {suite}", columns))
    if report.verdicts:
        results.print(verdict_table(report.verdicts))
    for arm, why in report.failures.items():
        messages.print(f"failed: {arm}: {why}", style="red", soft_wrap=True, markup=False, highlight=False)
    results.print(f"MLflow: {where(report)}", soft_wrap=True, highlight=False)


def leaderboard_table(rows: Sequence[Mapping[str, Any]], title: str, columns: int) -> Table:
    """One row an arm; of the metrics the first ``columns`` that any arm has, with their 95 % intervals."""
    names = [name for name in rows[0] if name not in NOT_METRICS and f"{name}_low" in rows[0]]
    present = [name for name in names if any(row[name] is not None for row in rows)][:columns]
    cells = [(row["arm"], number(row["n_seeds"]), *(_cell(row, name) for name in present)) for row in rows]
    return grid(title, ("arm", "seeds", *present), cells)


def where(report: "Report") -> str:
    """How to open the run in MLflow."""
    page = f"/#/experiments/{report.experiment_id}/runs/{report.mlflow_run_id}"
    if report.mlflow_uri.startswith("http"):
        return report.mlflow_uri + page
    return f"run {report.mlflow_run_id}; `rlhf up` here, then http://127.0.0.1:5000{page}"


def _cell(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "–"
    return f"{number(row[name])} ± {number((row[f'{name}_high'] - row[f'{name}_low']) / 2)}"
