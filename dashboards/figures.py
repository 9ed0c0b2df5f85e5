"""Figures that every preference paper's scores can be drawn as. Tidy scores in, Plotly figures out."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from tasks.evaluation.metrics import metric_range
from tasks.evaluation.scores import align
from tasks.evaluation.statistics.estimates import estimate

TEMPLATE = "plotly_white"
KL = "token_kl"


def reward_kl_frontier(scores: pd.DataFrame, suite: str) -> go.Figure:
    """Gold reward against KL to the reference: one line an arm, through its checkpoints in order.

    Vertical bars are 95 % intervals over seeds and prompts; the common start (KL 0) begins every line: the arm ``sft``,
    or ``sft-<size>`` where the suite is of models of another size.
    """
    points = sweep_points(scores, suite, [KL, "gold_reward"], "%")
    begins = points["arm"].str.fullmatch(r"sft(-.*)?")
    start = points[begins]
    figure = go.Figure()
    for arm, line in points[~begins].groupby("arm", sort=False):
        if line[KL].notna().sum() == 0:
            continue
        path = pd.concat([start, line.sort_values("at")])
        figure.add_trace(trace(str(arm), path[KL], path, "gold_reward"))
    return titled(figure, "Reward against KL", "KL(π ‖ π_SFT), nats a response", "gold reward")


def against_temperature(scores: pd.DataFrame, suite: str, metric: str, at_one: str = "1") -> go.Figure:
    """A metric against sampling temperature, one line an arm; bars are 95 % intervals."""
    points = sweep_points(scores, suite, [metric], "T")
    figure = go.Figure()
    for arm, line in points.groupby("arm", sort=False):
        if len(line) > 1:
            placed = line.assign(at=line["at"].fillna(float(at_one))).sort_values("at")
            figure.add_trace(trace(str(arm), placed["at"], placed, metric))
    return titled(figure, f"{metric} against temperature", "sampling temperature", metric)


def against_share_of_pairs(scores: pd.DataFrame, suite: str, metric: str) -> go.Figure:
    """A metric against the share of the run (of one epoch of pairs, at a constant rate), one line an arm."""
    points = sweep_points(scores, suite, [metric], "%")
    figure = go.Figure()
    for arm, line in points.groupby("arm", sort=False):
        if len(line) > 1:
            placed = line.assign(at=line["at"].fillna(100.0)).sort_values("at")
            figure.add_trace(trace(str(arm), placed["at"], placed, metric))
    return titled(figure, f"{metric} over the run", "share of the run, %", metric)


def sweep_points(scores: pd.DataFrame, suite: str, metrics: Sequence[str], mark: str) -> pd.DataFrame:
    """Estimates of ``metrics`` at every point of every arm: columns ``arm``, ``at`` and mean, low, high a metric.

    ``mark`` picks the sweep: ``%`` for checkpoints (``dpo@50%``), ``T`` for temperatures (``dpo@T0.5``). The arm's
    own scores have ``at`` NaN.
    """
    here = scores[(scores["suite"] == suite) & scores["metric"].isin(metrics)]
    rows = []
    for name, group in here.groupby("arm", sort=False):
        arm, _, point = str(name).partition("@")
        if point and mark not in point:
            continue
        row: dict[str, str | float] = {"arm": arm, "at": float(point.strip("%T")) if point else float("nan")}
        for metric, values in group.groupby("metric"):
            (table,), _ = align(values, suite, [(str(name), str(metric))])
            found = estimate(table.to_numpy(), bounds=metric_range(str(metric)))
            row |= {str(metric): found.mean, f"{metric}_low": found.low, f"{metric}_high": found.high}
        rows.append(row)
    columns = ["arm", "at", *(f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high"))]
    return pd.DataFrame(rows).reindex(columns=columns)


def trace(name: str, x: pd.Series, rows: pd.DataFrame, metric: str) -> go.Scatter:
    """A line with markers and asymmetric vertical bars."""
    return go.Scatter(
        x=x,
        y=rows[metric],
        name=name,
        mode="lines+markers",
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rows[f"{metric}_high"] - rows[metric],
            "arrayminus": rows[metric] - rows[f"{metric}_low"],
            "thickness": 1,
        },
    )


def titled(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    """The house's look."""
    return figure.update_layout(
        title=title, xaxis_title=x, yaxis_title=y, template=TEMPLATE, height=460, legend_title="arm"
    )
