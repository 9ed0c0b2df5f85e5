"""The trade-off of online and offline learning. Tidy scores in, a Plotly figure out."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, qualitative
from plotly.subplots import make_subplots

from dashboards.figures import KL, sweep_points, titled

OPACITY = 0.15
DISTANCE = "KL(π ‖ π_SFT), nats a response"


def trade_off(scores: pd.DataFrame, suite: str, metrics: Mapping[str, str], curves: Sequence[str]) -> go.Figure:
    """A panel a metric: its mean against KL along every arm of ``curves``, from the common start, with 95 % bands.

    ``metrics`` maps each to its axis title. Bands are over seeds and prompts; arms without checkpoints are left out.
    """
    figure = make_subplots(rows=1, cols=len(metrics), subplot_titles=list(metrics.values()))
    for column, metric in enumerate(metrics, start=1):
        points = sweep_points(scores, suite, [KL, metric], "%")
        for arm, colour in zip(curves, cycle(qualitative.D3), strict=False):
            line = points[points["arm"] == arm].sort_values("at")
            if len(line) < 2:
                continue
            path = pd.concat([points[points["arm"] == "sft"], line]).dropna(subset=[KL, metric])
            for drawn in with_band(path, metric, arm, colour):
                drawn.update(showlegend=column == 1 and not drawn.fill)
                figure.add_trace(drawn, row=1, col=column)
    figure.update_xaxes(title_text=DISTANCE)
    return titled(figure, "Online against offline at equal KL", DISTANCE, "")


def with_band(path: pd.DataFrame, metric: str, name: str, colour: str) -> list[go.Scatter]:
    """A line through the rows of ``path``, and the band of their intervals behind it."""
    red, green, blue = hex_to_rgb(colour)
    band = go.Scatter(
        x=[*path[KL], *path[KL][::-1]],
        y=[*path[f"{metric}_high"], *path[f"{metric}_low"][::-1]],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{OPACITY})",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    curve = go.Scatter(x=path[KL], y=path[metric], mode="lines+markers", line={"color": colour})
    for one in (band, curve):
        one.update(name=name, legendgroup=name)
    return [band, curve]
