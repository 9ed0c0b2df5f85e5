"""A tournament as figures: who beats whom, and the ranking with its intervals."""

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import TEMPLATE, titled
from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.tournament import RATING, SUITE


def win_matrix_figure(matrix: pd.DataFrame, duels: pd.DataFrame) -> go.Figure:
    """Heat map of win rates; rows beat columns, the best method on top.

    A star marks duels that are decided (not 0.5, corrected for their number); hovering shows the interval.
    """
    marks = pd.DataFrame("", index=matrix.index, columns=matrix.columns)
    hints = marks.copy()
    for duel in duels.to_dict("records"):
        winner, loser, low, high = (duel[key] for key in ("method", "opponent", "low", "high"))
        marks.loc[winner, loser] = marks.loc[loser, winner] = "*" if duel["decided"] else ""
        hints.loc[winner, loser] = f"[{low:.2f}, {high:.2f}]"
        hints.loc[loser, winner] = f"[{1.0 - high:.2f}, {1.0 - low:.2f}]"
    figure = go.Figure(
        go.Heatmap(
            z=matrix.to_numpy(),
            x=list(matrix.columns),
            y=list(matrix.index),
            zmin=0.0,
            zmax=1.0,
            colorscale="RdBu",
            text=(matrix.map(lambda value: f"{value:.2f}") + marks).to_numpy(),
            texttemplate="%{text}",
            customdata=hints.to_numpy(),
            hovertemplate="%{y} over %{x}: %{z:.3f} %{customdata}<extra></extra>",
            colorbar={"title": "win rate"},
        )
    )
    figure.update_yaxes(autorange="reversed")
    return titled(figure, "Who beats whom (row over column; *: decided)", "loser", "winner")


def ranking_figure(scores: pd.DataFrame) -> go.Figure:
    """Bradley-Terry ratings with 95 % intervals over seeds and prompts, the best method on top."""
    here = scores[(scores["suite"] == SUITE) & (scores["metric"] == RATING)]
    found = {
        str(arm): estimate(rows.pivot(index="seed", columns="prompt_id", values="value").to_numpy())
        for arm, rows in here.groupby("arm")
    }
    ordered = sorted(found, key=lambda arm: found[arm].mean)
    figure = go.Figure(
        go.Scatter(
            x=[found[arm].mean for arm in ordered],
            y=ordered,
            mode="markers",
            error_x={
                "array": [found[arm].high - found[arm].mean for arm in ordered],
                "arrayminus": [found[arm].mean - found[arm].low for arm in ordered],
            },
        )
    )
    figure.update_layout(template=TEMPLATE, showlegend=False)
    return titled(figure, "Bradley-Terry ranking", "Elo rating (SFT: 1000)", "")
