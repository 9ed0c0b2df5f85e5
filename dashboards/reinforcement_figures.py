"""Figures of over-optimisation. Tables of ``over_optimisation_curves`` in, Plotly figures out.

Every figure has gold reward on the left and proxy reward on the right, counted from the arm's start, one colour an arm.
"""

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, qualitative
from plotly.subplots import make_subplots

from dashboards.figures import titled, trace
from tasks.evaluation.over_optimisation_curves import OverOptimisation

PANELS = {"gold_reward": "gold reward", "proxy_reward": "proxy reward"}
DISTANCE = "d = sqrt(KL to the start), sqrt(nats)"
SWEEPS = {"n": "by best-of-n", "training": "in training"}
OPACITY = 0.15


def reinforcement_figures(found: OverOptimisation, suites: Sequence[str]) -> list[go.Figure]:
    """The figures that these tables can be drawn as, suite by suite: over distance, over training, over n."""
    drawn: list[go.Figure] = []
    for suite in suites if len(found.points) else []:
        points = found.points[found.points["suite"] == suite]
        bands = found.bands[found.bands["suite"] == suite] if len(found.bands) else found.bands
        for sweep, over in (("training", against_training), ("n", against_count)):
            one = points[points["sweep"] == sweep]
            if len(one):
                fitted = bands[bands["sweep"] == sweep] if len(bands) else bands
                drawn += [against_distance(one, fitted), over(one)]
    return drawn


def against_distance(points: pd.DataFrame, bands: pd.DataFrame) -> go.Figure:
    """Rewards against d = sqrt(KL), with the fitted curve of the sweep's usual form and its 95 % band.

    ``points`` and ``bands`` are those of one sweep (best-of-n's n, or training). Bars of points are 95 % intervals over
    seeds and prompts.
    """
    figure = panels(points, "distance", DISTANCE, "markers")
    colours = colours_of(points)
    usual = bands[bands["usual"].astype(bool)] if len(bands) else bands
    for column, metric in enumerate(PANELS, start=1):
        for arm, line in usual[usual["metric"] == metric].groupby("arm", sort=False) if len(usual) else []:
            red, green, blue = hex_to_rgb(colours[str(arm)])
            there_and_back = [*line["distance"], *line["distance"][::-1]]
            band = go.Scatter(
                x=there_and_back,
                y=[*line["high"], *line["low"][::-1]],
                fill="toself",
                fillcolor=f"rgba({red},{green},{blue},{OPACITY})",
                line={"width": 0},
                hoverinfo="skip",
            )
            curve = go.Scatter(x=line["distance"], y=line["value"], mode="lines", line={"color": colours[str(arm)]})
            for one in (band, curve):
                one.update(name=str(arm), legendgroup=str(arm), showlegend=False)
                figure.add_trace(one, row=1, col=column)
    title = f"Over-optimisation {SWEEPS[str(points['sweep'].iloc[0])]}: reward against distance"
    return titled(figure, title, DISTANCE, PANELS["gold_reward"])


def against_training(points: pd.DataFrame) -> go.Figure:
    """Rewards against the share of the training run."""
    axis = "share of the run, %"
    figure = panels(points, "at", axis, "lines+markers")
    return titled(figure, "Gold and proxy reward over training", axis, PANELS["gold_reward"])


def against_count(points: pd.DataFrame) -> go.Figure:
    """Rewards against best-of-n's n, on a logarithmic axis."""
    figure = panels(points, "at", "n", "lines+markers")
    figure.update_xaxes(type="log", tickvals=sorted(set(points["at"])))
    return titled(figure, "Best-of-n: gold and proxy reward", "n", PANELS["gold_reward"])


def panels(points: pd.DataFrame, x: str, axis: str, mode: str) -> go.Figure:
    """Gold and proxy side by side: one trace an arm with 95 % bars, the arm's two traces under one legend entry."""
    figure = make_subplots(rows=1, cols=2, subplot_titles=list(PANELS.values()), horizontal_spacing=0.08)
    colours = colours_of(points)
    shown: set[str] = set()
    for column, metric in enumerate(PANELS, start=1):
        for arm, line in points[points["metric"] == metric].groupby("arm", sort=False):
            ordered = line.sort_values("at")
            named = ordered.rename(columns={"value": metric, "low": f"{metric}_low", "high": f"{metric}_high"})
            one = trace(str(arm), ordered[x], named, metric)
            one.update(mode=mode, legendgroup=str(arm), showlegend=arm not in shown, marker_color=colours[str(arm)])
            shown.add(str(arm))
            figure.add_trace(one, row=1, col=column)
    return figure.update_xaxes(title_text=axis)


def colours_of(points: pd.DataFrame) -> dict[str, str]:
    """A colour an arm, the same in every panel."""
    return dict(zip(map(str, dict.fromkeys(points["arm"])), cycle(qualitative.D3), strict=False))
