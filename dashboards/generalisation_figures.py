"""Figures of accuracy on and off the training distribution. Tidy scores in, Plotly figures out."""

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import qualitative

from dashboards.figures import titled
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.scores import align
from tasks.evaluation.shifted_accuracies import suite_means
from tasks.evaluation.statistics.estimates import estimate

CHANCE = 0.5


def accuracy_by_test_set(scores: pd.DataFrame, suites: Sequence[str], metric: str) -> go.Figure:
    """A group of bars a test set, one bar an arm, with 95 % intervals over seeds and pairs; the line is chance."""
    here = scores[(scores["metric"] == metric) & ~scores["arm"].str.contains("@")]
    figure = go.Figure()
    for arm in dict.fromkeys(here["arm"]):
        found = {}
        for suite in suites:
            if ((here["arm"] == arm) & (here["suite"] == suite)).any():
                (table,), _ = align(here, suite, [(str(arm), metric)])
                found[suite] = estimate(table.to_numpy(), bounds=metric_range(metric))
        figure.add_trace(
            go.Bar(
                x=list(found),
                y=[one.mean for one in found.values()],
                name=str(arm),
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [one.high - one.mean for one in found.values()],
                    "arrayminus": [one.mean - one.low for one in found.values()],
                },
            )
        )
    figure.add_hline(y=CHANCE, line_dash="dot")
    return titled(figure, "Accuracy by test set", "test set", metric)


def accuracy_off_against_on(
    scores: pd.DataFrame, arms: Sequence[str], start: str, suites: Sequence[str], metric: str
) -> go.Figure:
    """Mean accuracy on the shifted sets against that on the training distribution, a dot a checkpoint and seed.

    Dots side by side have equal accuracy on the training distribution. Seeds lie apart, checkpoints of one seed are
    of the trial that was kept; the last of them, which was, is the large dot.
    """
    means = suite_means(scores, [start, *suites], metric)
    figure = go.Figure()
    for arm, colour in zip(arms, cycle(qualitative.D3), strict=False):
        rows = [
            (name, seed, found[start], sum(found[suite] for suite in suites) / len(suites))
            for (name, seed), found in means.items()
            if name.partition("@")[0] == arm and {start, *suites} <= found.keys()
        ]
        figure.add_trace(
            go.Scatter(
                x=[on for *_, on, _ in rows],
                y=[off for *_, off in rows],
                text=[f"{name}, seed {seed}" for name, seed, *_ in rows],
                mode="markers",
                name=arm,
                marker={"color": colour, "size": [7 if "@" in name else 14 for name, *_ in rows]},
            )
        )
    return titled(figure, "Off against on the training distribution", f"{metric} on {start}", "mean on shifted sets")
