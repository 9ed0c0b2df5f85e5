"""Figures that take the online-offline gap apart. Tidy scores in, Plotly figures out."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import qualitative

from dashboards.figures import KL, sweep_points, titled

D3 = qualitative.D3
COLOURS = {"online": "#d62728", "offline": "#1f77b4", "hybrid": "#2ca02c"}
"""Of how an arm gets its data."""


def preference_figures(scores: pd.DataFrame, suites: Sequence[str], modes: Mapping[str, str]) -> list[go.Figure]:
    """The figures that these scores can be drawn as; ``modes`` says of each arm how it gets its data."""
    drawn = []
    for suite in suites:
        metrics = set(scores.loc[scores["suite"] == suite, "metric"])
        scored = {str(arm).partition("@")[0] for arm in scores.loc[scores["suite"] == suite, "arm"].unique()}
        both = {modes.get(arm, "") for arm in scored} >= {"online", "offline"}
        reward = next((name for name in ("win_rate_vs_sft", "gold_reward") if name in metrics), "")
        if both and reward and KL in metrics:
            drawn.append(frontier_by_mode(scores, suite, reward, modes))
        if "rejected_log_ratio" in metrics:
            drawn.append(log_ratios_over_training(scores, suite))
        wins = next((other for other in suites if _holds(scores, other, "win_rate_vs_sft")), "")
        if "implicit_accuracy" in metrics and wins:
            drawn.append(accuracy_against_wins(scores, suite, wins))
    return drawn


def frontier_by_mode(scores: pd.DataFrame, suite: str, reward: str, modes: Mapping[str, str]) -> go.Figure:
    """Every checkpoint of every arm: reward or win rate against KL to the reference, coloured online and offline."""
    points = sweep_points(scores, suite, [KL, reward], "%").dropna(subset=[KL, reward])
    figure = go.Figure()
    for mode, colour in COLOURS.items():
        own = points[points["arm"].map(modes.get) == mode]
        own = own[own["arm"] != "sft"]
        if len(own):
            figure.add_trace(
                go.Scatter(
                    x=own[KL],
                    y=own[reward],
                    text=own["arm"],
                    name=mode,
                    mode="markers",
                    marker={"color": colour, "size": 8},
                    error_y={
                        "type": "data",
                        "symmetric": False,
                        "array": own[f"{reward}_high"] - own[reward],
                        "arrayminus": own[reward] - own[f"{reward}_low"],
                        "thickness": 1,
                    },
                )
            )
    title = f"Online against offline: {reward.replace('_', ' ')} over KL, all checkpoints"
    return titled(figure, title, "KL(π ‖ π_SFT), nats a response", reward).update_layout(legend_title="data")


def accuracy_against_wins(scores: pd.DataFrame, pairs: str, suite: str) -> go.Figure:
    """Accuracy of the implicit reward on pairs against win rate over SFT, one point a checkpoint."""
    accuracy = sweep_points(scores, pairs, ["implicit_accuracy"], "%")
    wins = sweep_points(scores, suite, ["win_rate_vs_sft"], "%")
    joined = accuracy.assign(at=accuracy["at"].fillna(100.0)).merge(
        wins.assign(at=wins["at"].fillna(100.0)), on=["arm", "at"]
    )
    figure = go.Figure()
    for arm, line in joined.dropna(subset=["win_rate_vs_sft"]).groupby("arm", sort=False):
        placed = line.sort_values("at")
        figure.add_trace(
            go.Scatter(
                x=placed["implicit_accuracy"],
                y=placed["win_rate_vs_sft"],
                text=placed["at"].map("{:g} %".format),
                name=str(arm),
                mode="lines+markers",
            )
        )
    return titled(figure, "Implicit-reward accuracy against win rate", f"accuracy on {pairs}", "win rate against SFT")


def log_ratios_over_training(scores: pd.DataFrame, suite: str) -> go.Figure:
    """How likely chosen (solid) and rejected (dashed) responses become, against the reference, over training."""
    names = ("chosen_log_ratio", "rejected_log_ratio")
    points = sweep_points(scores, suite, list(names), "%")
    figure = go.Figure()
    for number, (arm, line) in enumerate(points.groupby("arm", sort=False)):
        placed = line.assign(at=line["at"].fillna(100.0)).sort_values("at")
        colour = D3[number % len(D3)]
        for name, dash in zip(names, ("solid", "dash"), strict=True):
            figure.add_trace(
                go.Scatter(
                    x=placed["at"],
                    y=placed[name],
                    name=f"{arm} {name.partition('_')[0]}",
                    legendgroup=str(arm),
                    mode="lines+markers",
                    line={"dash": dash, "color": colour},
                )
            )
    return titled(
        figure, "Log-probability of pairs over training", "share of the run, %", "log π - log π_SFT, nats a response"
    )


def _holds(scores: pd.DataFrame, suite: str, metric: str) -> bool:
    return bool(((scores["suite"] == suite) & (scores["metric"] == metric)).any())
