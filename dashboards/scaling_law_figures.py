"""Figures of scaling laws. Tables of ``tasks.evaluation.scaling_law_fits`` in, Plotly figures out."""

from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, qualitative
from plotly.subplots import make_subplots

from dashboards.figures import titled, trace
from tasks.evaluation.scaling_law_fits import ScalingLaws

FORMS = {"reinforcement": "R(d) = d (a − b log d)", "best_of_n": "R(d) = d (a − b d)"}
DISTANCE = "d = sqrt(KL to SFT), sqrt(nats)"
OPACITY = 0.12


def scaling_law_figures(laws: ScalingLaws) -> list[go.Figure]:
    """A figure a suite (a model's size) and metric: every checkpoint against d, and both fitted forms side by side."""
    groups = laws.points.groupby(["suite", "metric"], sort=False)
    return [law_figure(points, laws.bands, str(suite), str(metric)) for (suite, metric), points in groups]


def law_figure(points: pd.DataFrame, bands: pd.DataFrame, suite: str, metric: str) -> go.Figure:
    """The points of every curve with 95 % bars; the log form and its 95 % band on the left, the quadratic on the right.

    ``points`` are those of one suite and metric, ``bands`` those of all. A point that several curves are fitted to is
    drawn once, as the first one's.
    """
    first = points.drop_duplicates("point")
    figure = make_subplots(rows=1, cols=2, subplot_titles=list(FORMS.values()), shared_yaxes=True)
    colours = dict(zip(map(str, dict.fromkeys(points["arm"])), cycle(qualitative.D3), strict=False))
    for column, form in enumerate(FORMS, start=1):
        for arm, colour in colours.items():
            own = first[first["arm"] == arm]
            named = own.rename(columns={"value": metric, "low": f"{metric}_low", "high": f"{metric}_high"})
            dots = trace(arm, own["distance"], named, metric)
            dots.update(mode="markers", legendgroup=arm, showlegend=column == 1, marker_color=colour, text=own["point"])
            if len(own):
                figure.add_trace(dots, row=1, col=column)
            lines = curve_traces(bands, {"suite": suite, "metric": metric, "arm": arm, "form": form}, colour)
            if lines and not len(own):
                lines[-1].update(showlegend=column == 1)
            for line in lines:
                figure.add_trace(line, row=1, col=column)
    figure.update_xaxes(title_text=DISTANCE)
    return titled(figure, f"Scaling law: {metric} over SFT, {suite}", DISTANCE, f"{metric} − SFT's")


def curve_traces(bands: pd.DataFrame, wanted: dict[str, str], colour: str) -> list[go.Scatter]:
    """A fitted curve and its band; nothing where the points do not determine it."""
    line = bands
    for column, value in wanted.items() if len(bands) else ():
        line = line[line[column] == value]
    if not len(line):
        return []
    red, green, blue = hex_to_rgb(colour)
    band = go.Scatter(
        x=[*line["distance"], *line["distance"][::-1]],
        y=[*line["high"], *line["low"][::-1]],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{OPACITY})",
        line={"width": 0},
        hoverinfo="skip",
    )
    curve = go.Scatter(x=line["distance"], y=line["value"], mode="lines", line={"color": colour})
    for one in (band, curve):
        one.update(name=wanted["arm"], legendgroup=wanted["arm"], showlegend=False)
    return [band, curve]
