"""``rlhf evaluate``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flows.cli.interrupting import interruptible
from flows.cli.output import grid, messages, print_json, results
from flows.cli.report import where
from flows.cli.run import SOME_FAILED, names_in
from tasks.engine.home import check_home

if TYPE_CHECKING:
    from flows.evaluation.report import EvaluationReport


def evaluate_model(
    model: Annotated[
        str,
        typer.Argument(help="MLflow run id, model folder, Hub id, file of outputs, or URL of an OpenAI-like server."),
    ],
    suites: Annotated[str, typer.Option(help="Benchmarks with commas, e.g. alpaca_eval,gsm8k.")],
    data: Annotated[str, typer.Option(help="Folder with the suites' files; without it they come from the Hub.")] = "",
    judge: Annotated[
        str, typer.Option(help="gold, biased_gold, recorded, reward_model, local, endpoint, or an endpoint's URL.")
    ] = "",
    judge_model: Annotated[str, typer.Option(help="The judge's folder, Hub id or name at the endpoint.")] = "",
    limit: Annotated[int, typer.Option(help="Only the first questions of every suite; 0: all.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="path=value, e.g. decoding.temperature=0.7 or gsm8k.style=chat; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Put a model, or its outputs, through benchmarks. What has been asked or judged before costs nothing again."""
    from flows.cli.execution import run_flow

    typed: dict[str, Any] = {
        "MODEL": {"subject": {"source": model}},
        "--suites": {"suites": list(names_in(suites))},
        **({"--data": {"data": data}} if data else {}),
        **({f"--judge {judge}": judged_by(judge)} if judge else {}),
        **({"--judge-model": {"judge": {"model": judge_model}}} if judge_model else {}),
        **({"--limit": {"limit": limit}} if limit else {}),
    }

    def prepare() -> tuple[Any, Any]:
        from flows.evaluation.configuring import evaluation_config
        from flows.evaluation.evaluate import evaluate

        return evaluate, evaluation_config(typed, settings or [])

    check_home()
    report = cast("EvaluationReport", interruptible(lambda: run_flow(prepare, f"evaluate {model}")))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        show_evaluation(report)
    if report.failures:
        raise typer.Exit(SOME_FAILED)


def judged_by(judge: str) -> dict[str, Any]:
    """A kind of judge, or the URL of an endpoint that judges."""
    if judge.startswith(("http://", "https://")):
        return {"judge": {"kind": "endpoint", "base_url": judge}}
    return {"judge": {"kind": judge}}


def show_evaluation(report: "EvaluationReport") -> None:
    """A table a suite on standard output, failures on standard error."""
    for suite in report.identities:
        rows = [
            (f"{row['metric']}{' · ' + row['group'] if row['group'] else ''}", *_cells(row), str(row["n"] or "–"))
            for row in report.results
            if row["suite"] == suite
        ]
        table = grid(f"{report.subject}: {suite}", ("metric", "value", "standard error", "95 % interval", "n"), rows)
        table.caption = "; ".join(report.notes.get(suite, []))
        results.print(table)
    for suite, why in report.failures.items():
        messages.print(f"failed: {suite}: {why}", style="red", soft_wrap=True, markup=False, highlight=False)
    results.print(f"MLflow: {where(report)}", soft_wrap=True, highlight=False)


def _cells(row: Mapping[str, Any]) -> tuple[str, str, str]:
    band = "–" if row["low"] is None else f"[{row['low']:.4f}, {row['high']:.4f}]"
    return _number(row["value"]), _number(row["standard_error"]), band.replace("[", "\\[")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6f}"
