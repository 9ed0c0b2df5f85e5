"""The end of a run in the terminal: leaderboard, verdicts, what failed, where to look further."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.table import Table

from flows.cli.output import grid, messages, number, results
from flows.cli.verdicts import verdict_table

if TYPE_CHECKING:
    from flows.evaluation.report import EvaluationReport
    from flows.report import Report

CELL = 13
"""Characters of a number with its interval, and the space around them."""


def show_report(report: "Report") -> None:
    """Print tables to standard output and failures to standard error."""
    suites = dict.fromkeys(row["suite"] for row in report.leaderboard)
    benchmarks = {row["suite"] for row in report.benchmarks}
    for suite in [name for name in suites if name not in benchmarks]:
        rows = [row for row in report.leaderboard if row["suite"] == suite]
        results.print(leaderboard_table(rows, f"{report.paper}: {suite}", results.width))
    if report.benchmarks:
        results.print(benchmark_table(report.benchmarks, f"{report.paper}: benchmarks"))
    if report.verdicts:
        results.print(verdict_table(report.verdicts))
    for arm, why in report.failures.items():
        messages.print(f"failed: {arm}: {why}", style="red", soft_wrap=True, markup=False, highlight=False)
    results.print(f"MLflow: {where(report)}", soft_wrap=True, highlight=False)


def leaderboard_table(rows: Sequence[Mapping[str, Any]], title: str, width: int) -> Table:
    """One row an arm: its metrics with half the width of their 95 % intervals, as many as fit ``width`` columns."""
    names = [name for name in rows[0] if f"{name}_low" in rows[0] and any(row[name] is not None for row in rows)]
    arms = max(len(row["arm"]) for row in rows)
    shown = names[: max(1, (width - arms - 4) // CELL)]
    table = grid(title, ("arm", *(name.replace("_", " ") for name in shown)), [])
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(row["arm"], *(_cell(row, name) for name in shown))
    seeds, prompts = (max(row[name] or 0 for row in rows) for name in ("n_seeds", "n_prompts"))
    notes = ["mean ± half the 95 % interval", f"{_count(seeds, 'seed')}, {_count(prompts, 'prompt')}"]
    if len(names) > len(shown):
        notes.append(f"also in MLflow: {', '.join(names[len(shown) :])}")
    table.caption = "; ".join(notes)
    return table


def benchmark_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """One row a benchmark's number, one column an arm: the mean over seeds."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        if not row["group"] and row["value"] is not None:
            values.setdefault((row["suite"], row["metric"]), {}).setdefault(row["arm"], []).append(row["value"])
    lines = [
        (suite, metric.replace("_", " "), *(number(fmean(own[arm])) if arm in own else "–" for arm in arms))
        for (suite, metric), own in values.items()
    ]
    table = grid(title, ("suite", "metric", *arms), lines)
    table.caption = "means over seeds; intervals, groups and single seeds are in benchmarks.json in MLflow"
    return table


def where(report: "Report | EvaluationReport") -> str:
    """How to open the run in MLflow."""
    page = f"/#/experiments/{report.experiment_id}/runs/{report.mlflow_run_id}"
    if report.mlflow_uri.startswith("http"):
        return report.mlflow_uri + page
    return f"run {report.mlflow_run_id}; `rlhf up` here, then http://127.0.0.1:5000{page}"


def _cell(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "–"
    return f"{row[name]:.2f} ±{(row[f'{name}_high'] - row[f'{name}_low']) / 2:.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
