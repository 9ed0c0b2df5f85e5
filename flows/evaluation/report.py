"""The end of an evaluation: numbers with their identity, in MLflow and in Prefect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from pydantic import Field

from flows.report import logged, root_causes
from tasks.data.tables import read_scores
from tasks.engine.home import tracking_uri
from tasks.engine.refs import Scores
from tasks.engine.schema import Frozen
from tasks.engine.session import Session
from tasks.evaluation.collecting import named
from tasks.evaluation.score_identity import ScoreIdentity
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.suite_reports import SuiteReport, read_report
from tasks.evaluation.suites.suite import Suite


class EvaluationReport(Frozen):
    """What an evaluation found; small enough to be a Prefect result and a JSON document."""

    subject: str
    results: list[dict[str, Any]] = Field(description="One row a number: suite, metric, group, value, interval, n, key")
    identities: dict[str, dict[str, str]] = Field(description="Suite → what its numbers are measurements of")
    notes: dict[str, list[str]] = Field(description="Suite → what a reader must know")
    failures: dict[str, str] = Field(description="Suite → why it has no numbers")
    mlflow_run_id: str = ""
    experiment_id: str = ""
    mlflow_uri: str = ""


@dataclass(frozen=True)
class Finished:
    """A suite that has been scored."""

    suite: Suite
    content: str
    scores: Scores


def publish_evaluation(
    session: Session,
    subject: str,
    finished: Sequence[Finished],
    failures: Mapping[str, str],
    decoding: str,
    seed: int,
    reference: str = "",
) -> EvaluationReport:
    """Put every number where people look for it, each with the key of what it measures."""
    reports = {one.suite.name: read_report(one.scores) for one in finished}
    identities = {one.suite.name: identity(one, reports[one.suite.name], decoding, reference) for one in finished}
    results = [
        {"suite": name, **aggregate, "score_key": identities[name].key()}
        for name, report in reports.items()
        for aggregate in report.aggregates
    ]
    causes = root_causes(session, {f"{name}-s{seed}": why for name, why in failures.items()})
    report = EvaluationReport(
        subject=subject,
        results=results,
        identities={name: one.model_dump(mode="json") for name, one in identities.items()},
        notes={name: one.notes for name, one in reports.items() if one.notes},
        failures={label.removesuffix(f"-s{seed}"): why for label, why in causes.items()},
        mlflow_uri=tracking_uri(),
    )
    track(session, report, finished, subject, seed)
    session.sender.send_all()
    found = {
        "mlflow_run_id": session.sender.run_id(session.root.key),
        "experiment_id": session.sender.experiment_id(session.root.key),
    }
    report = report.model_copy(update=found)
    show_in_prefect(report)
    return report


def identity(one: Finished, report: SuiteReport, decoding: str, reference: str) -> ScoreIdentity:
    """What a suite's numbers are measurements of."""
    return ScoreIdentity(
        **one.suite.conventions().model_dump(),
        questions_digest=one.content,
        judge=report.judge,
        judge_version=report.judge_version,
        reference=reference if one.suite.by_reward else "",
        decoding=decoding,
    )


def track(session: Session, report: EvaluationReport, finished: Sequence[Finished], subject: str, seed: int) -> None:
    """Summary, tidy scores and identities on the run; each suite's numbers and identity on its own run."""
    session.root.table("summary.json", pd.DataFrame(report.results))
    session.root.text("summary.md", summary(report))
    session.root.text("identities.json", json.dumps(report.identities, indent=1))
    tables = [named(read_scores(one.scores), "evaluate", subject, seed, one.suite.name) for one in finished]
    session.root.text("scores.csv", concat_scores(tables).to_csv(index=False))
    for name, one in report.identities.items():
        run = session.children[f"{name}-s{seed}"].tracker
        run.tags({f"score.{field}": value[:500] for field, value in one.items()})
        own = [row for row in report.results if row["suite"] == name]
        run.tags({"score_key": own[0]["score_key"]} if own else {})
        values = logged(name, own)
        run.metrics(values, 0)
        session.root.metrics(values, 0)


def summary(report: EvaluationReport) -> str:
    """The evaluation in Markdown, for a person."""
    lines = [f"# {report.subject}", ""]
    for suite, facts in report.identities.items():
        whole = [row for row in report.results if row["suite"] == suite]
        lines += [f"## {suite}", "", "| metric | group | value | 95 % interval | n |", "|---|---|---|---|---|"]
        lines += [f"| {row['metric']} | {row['group']} | {shown(row)} | {row['n']} |" for row in whole]
        lines += ["", *(f"- {note}" for note in report.notes.get(suite, []))]
        lines += ["", "Measured as: " + "; ".join(f"{name} {value}" for name, value in facts.items() if value), ""]
    lines += [f"- **{suite} failed**: {why}" for suite, why in report.failures.items()]
    return "\n".join(lines)


def shown(row: Mapping[str, Any]) -> str:
    """Value and interval as two cells."""
    if row["value"] is None:
        return "– | –"
    band = "–" if row["low"] is None else f"[{row['low']:.4g}, {row['high']:.4g}]"
    return f"{row['value']:.4g} | {band}"


def show_in_prefect(report: EvaluationReport) -> None:
    """The numbers as a table, the summary in Markdown, and the link to MLflow."""
    create_table_artifact(report.results, key="evaluation", description=report.subject)
    create_markdown_artifact(summary(report), key="evaluation-summary")
    if report.mlflow_uri.startswith("http"):
        link = f"{report.mlflow_uri}/#/experiments/{report.experiment_id}/runs/{report.mlflow_run_id}"
        create_link_artifact(link, link_text="This run in MLflow", key="mlflow-run")
