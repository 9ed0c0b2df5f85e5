"""``rlhf verdicts``."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from flows.catalog import PAPERS, find_entry
from flows.cli.output import grid, number, print_json, results
from tasks.engine.addresses import running_servers
from tasks.engine.home import check_home, home, prepare_environment, tracking_uri
from tasks.engine.schema import UserError

COLOURS = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}


def show_verdicts(
    paper: Annotated[str, typer.Argument(help="Key of the paper; every paper if left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """What the latest finished run of each paper says about its claims, from MLflow."""
    if paper:
        find_entry(paper)
    check_home()
    prepare_environment()
    uri = running_servers().get("MLFLOW_TRACKING_URI", tracking_uri())
    if uri == tracking_uri() and uri.startswith("sqlite") and not (home() / "mlflow" / "mlflow.db").exists():
        raise UserError(f"{home()}: nothing has been run here yet; start with `rlhf run {paper or 'dpo'}`")
    found = [_latest(uri, key) for key in ([paper] if paper else PAPERS)]
    runs = [run for run in found if run]
    if paper and not runs:
        raise UserError(f"{paper} has no finished run yet; start one with `rlhf run {paper}`")
    if as_json:
        print_json(runs)
        return
    for run in runs:
        results.print(verdict_table(run["verdicts"], f"{run['paper']} at {run['scale']} ({run['name']})"))


def verdict_table(verdicts: Sequence[Mapping[str, Any]], title: str = "Verdicts") -> Table:
    """One row a claim: its verdict, the effect with its interval, the paper's number."""
    rows = [
        (
            f"[bold]{row['claim']}[/]\n{row['statement']}",
            f"[{COLOURS[row['outcome']]}]{row['outcome']}[/]\n"
            f"{number(row['effect'])} \\[{number(row['low'])}, {number(row['high'])}]",
            str(row["paper_value"]),
        )
        for row in verdicts
    ]
    table = grid(title, ("claim", "verdict", "paper"), rows, whole=("verdict",))
    tuned = dict.fromkeys(str(row["tuned"]) for row in verdicts if "tuned" in row)
    table.caption = f"arms tuned on validation prompts: {'; '.join(tuned)}" if tuned else None
    return table


def _latest(uri: str, paper: str) -> dict[str, Any]:
    """The latest finished run of ``paper`` with its verdicts; empty if there is none."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(paper)
    if experiment is None:
        return {}
    finished = "tags.level = 'run' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment.experiment_id], finished, max_results=1, order_by=["start_time DESC"])
    if not runs:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(runs[0].info.run_id, "verdicts.json", folder)
        table = json.loads(Path(path).read_text())
    return {
        "paper": paper,
        "name": runs[0].info.run_name,
        "run_id": runs[0].info.run_id,
        "scale": runs[0].data.tags.get("scale", ""),
        "verdicts": [dict(zip(table["columns"], row, strict=True)) for row in table["data"]],
    }
