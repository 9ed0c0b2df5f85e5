"""The end of every paper's flow: scores to leaderboard, verdicts and figures, in MLflow and in Prefect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from plotly.graph_objects import Figure
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from pydantic import Field

from dashboards.figures import against_share_of_pairs, against_temperature, reward_kl_frontier
from dashboards.preference_figures import preference_figures
from dashboards.reinforcement_figures import reinforcement_figures
from dashboards.report import html_report
from tasks.engine.home import tracking_uri
from tasks.engine.schema import Frozen
from tasks.engine.session import Session
from tasks.engine.tracking import CHECKPOINT_TAG
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Collected
from tasks.evaluation.leaderboard import leaderboard, with_win_rates
from tasks.evaluation.over_optimisation_curves import log_over_optimisation
from tasks.evaluation.verdicts import judge_jointly, verdict_table

HEADLINE = (
    "gold_reward",
    "proxy_reward",
    "win_rate_vs_sft",
    "win_rate_vs_demonstrations",
    "accuracy",
    "token_kl",
    "kl",
    "response_tokens",
)


class Report(Frozen):
    """What a run found; small enough to be a Prefect result and a JSON document."""

    paper: str
    leaderboard: list[dict[str, Any]] = Field(description="One row an arm: means with 95 % intervals")
    verdicts: list[dict[str, Any]] = Field(description="One row a claim")
    benchmarks: list[dict[str, Any]] = Field([], description="One row an arm, seed and number of a benchmark")
    failures: dict[str, str] = Field(description="Arm and seed → why it failed")
    mlflow_run_id: str = ""
    experiment_id: str = ""
    mlflow_uri: str = ""


@dataclass(frozen=True)
class Extras:
    """What a flow adds to the usual report of its own."""

    figures: Sequence[Figure] = ()
    """Shown first."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Artifact's file name to its content."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the run in MLflow."""
    tuned: str = "no"
    """Whether the arms were tuned before they were compared, as the verdicts say it."""


def publish(
    session: Session,
    collected: Collected,
    claims: Sequence[Claim],
    suites: Sequence[str],
    extras: Extras = Extras(),
) -> Report:
    """Aggregate once, judge the claims together (Holm), and put everything where people look for it."""
    scores = collected.scores
    for suite in suites:
        scores = with_win_rates(scores, suite, ("sft", "demonstrations"))
    boards = pd.concat([board_of(scores, suite) for suite in suites], ignore_index=True)
    verdicts = verdict_table(claims, judge_jointly(claims, scores), extras.tuned)
    root = session.root
    root.table("leaderboard.json", boards)
    root.table("verdicts.json", verdicts)
    root.text("scores.csv", scores.to_csv(index=False))
    curves = log_over_optimisation(root, scores, suites)
    modes = {label.rpartition("-s")[0]: child.mode for label, child in session.children.items()}
    figures = [
        *extras.figures,
        *figures_of(scores, suites),
        *preference_figures(scores, suites, modes),
        *reinforcement_figures(curves, suites),
    ]
    for name, table in extras.tables.items():
        root.table(name, table)
    root.tags({**extras.tags, "tuned": extras.tuned})
    root.text("report.html", html_report(session.paper, verdicts, boards, figures, extras.tuned))
    root.tags({f"verdict.{row['claim']}": str(row["outcome"]) for row in records(verdicts)})
    failures = root_causes(session, collected.failures)
    root.tags({"failures": json.dumps(failures)})
    summarise_arms(session, scores, suites)
    track_benchmarks(session, collected.benchmarks)
    for label, checkpoint in collected.policies.items():
        session.children[label].tracker.tags({CHECKPOINT_TAG: checkpoint.model_dump_json()})
    report = Report(
        paper=session.paper,
        leaderboard=records(boards),
        verdicts=records(verdicts),
        benchmarks=collected.benchmarks,
        failures=failures,
        mlflow_uri=tracking_uri(),
    )
    session.sender.send_all()
    report = report.model_copy(
        update={
            "mlflow_run_id": session.sender.run_id(root.key),
            "experiment_id": session.sender.experiment_id(root.key),
        }
    )
    show_in_prefect(report)
    return report


def board_of(scores: pd.DataFrame, suite: str) -> pd.DataFrame:
    """Leaderboard of a suite, its headline metrics first; points of sweeps (``dpo@50%``) are left to the figures."""
    here = scores[(scores["suite"] == suite) & ~scores["arm"].str.contains("@")]
    present = list(dict.fromkeys(here["metric"]))
    metrics = [name for name in HEADLINE if name in present] + [name for name in present if name not in HEADLINE]
    return leaderboard(here, suite, metrics, baselines=()).assign(suite=suite)


def root_causes(session: Session, failures: Mapping[str, str]) -> dict[str, str]:
    """Why each arm failed: its own stage's error, or the arm whose failed stage it needed."""
    causes = {label: "; ".join(run.failures.values()) for label, run in session.children.items() if run.failures}
    culprits = ", ".join(causes)
    return causes | {
        label: f"needs a stage that failed in {culprits}" if culprits else reason
        for label, reason in failures.items()
        if label not in causes
    }


def figures_of(scores: pd.DataFrame, suites: Sequence[str]) -> list[Figure]:
    """The figures that these scores can be drawn as."""
    drawn: list[Figure] = []
    for suite in suites:
        metrics = set(scores.loc[scores["suite"] == suite, "metric"])
        if {"token_kl", "gold_reward"} <= metrics:
            drawn.append(reward_kl_frontier(scores, suite))
        heated = scores.loc[scores["suite"] == suite, "arm"].str.contains("@T").any()
        if heated and "win_rate_vs_demonstrations" in metrics:
            drawn.append(against_temperature(scores, suite, "win_rate_vs_demonstrations"))
        if "win_rate_vs_demonstrations" in metrics:
            drawn.append(against_share_of_pairs(scores, suite, "win_rate_vs_demonstrations"))
        if "implicit_accuracy" in metrics:
            drawn.append(against_share_of_pairs(scores, suite, "implicit_accuracy"))
    return drawn


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; what is missing is None."""
    return list(json.loads(table.to_json(orient="records")))


def summarise_arms(session: Session, scores: pd.DataFrame, suites: Sequence[str]) -> None:
    """Means of every arm at every seed on the arm's own run, so that MLflow's table and charts compare them."""
    wanted = scores[scores["suite"].isin(suites) & ~scores["arm"].str.contains("@")]
    means = wanted.groupby(["arm", "seed", "suite", "metric"], as_index=False)["value"].mean()
    for label, rows in means.groupby(means["arm"] + "-s" + means["seed"].astype(str)):
        run = session.children.get(str(label))
        if run is not None:
            names = "eval/" + rows["suite"] + "/" + rows["metric"]
            run.tracker.metrics(dict(zip(names, rows["value"], strict=True)), 0)


def track_benchmarks(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """The benchmarks' own numbers (length-controlled win rates, ratings ...) as a table and on their arms."""
    if not rows:
        return
    session.root.table("benchmarks.json", pd.DataFrame(rows))
    places = dict.fromkeys((str(row["arm"]), int(row["seed"]), str(row["suite"])) for row in rows)
    for arm, seed, suite in places:
        own = [row for row in rows if (row["arm"], row["seed"], row["suite"]) == (arm, seed, suite)]
        session.children[f"{arm}-s{seed}"].tracker.metrics(logged(suite, own), 0)


def logged(suite: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """A suite's numbers under the names that MLflow shows; a group's only where there is no number for the whole."""
    known = [row for row in rows if row["value"] is not None]
    whole = {str(row["metric"]): row["value"] for row in known if not row["group"]}
    parts = {f"{row['group']}/{row['metric']}": row["value"] for row in known if row["metric"] not in whole}
    return {f"eval/{suite}/{metric}": value for metric, value in (whole | parts).items()}


def artifact_key(kind: str, paper: str) -> str:
    """The key of one of a paper's artifacts; Prefect allows letters, digits and dashes."""
    return f"{kind}-{paper}".replace("_", "-")


def show_in_prefect(report: Report) -> None:
    """Leaderboard and verdicts as versioned artifacts, and the link to MLflow."""
    create_table_artifact(
        report.leaderboard, key=artifact_key("leaderboard", report.paper), description="One row an arm"
    )
    create_table_artifact(report.verdicts, key=artifact_key("verdicts", report.paper), description="One row a claim")
    lines = [f"- **{row['outcome']}**: {row['statement']} ({row['reason']})" for row in report.verdicts]
    failed = [f"- {arm}: {why}" for arm, why in report.failures.items()]
    create_markdown_artifact(
        "\n".join(["## Verdicts", *lines, *(["## Failed arms", *failed] if failed else [])]),
        key=artifact_key("summary", report.paper),
    )
    if report.mlflow_uri.startswith("http"):
        link = f"{report.mlflow_uri}/#/experiments/{report.experiment_id}/runs/{report.mlflow_run_id}"
        create_link_artifact(link, link_text="This run in MLflow", key="mlflow-run")
