"""Figures of over-optimisation draw what the tables hold, and nothing where they hold nothing."""

import numpy as np
import pandas as pd
import pytest

from dashboards.reinforcement_figures import against_count, against_distance, against_training, reinforcement_figures
from dashboards.report import html_report
from tasks.evaluation.over_optimisation_curves import OverOptimisation

ARMS = ("single", "mean")
EMPTY = OverOptimisation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())


def tables(sweep: str, at: list[float], suite: str = "gold") -> OverOptimisation:
    keys = [
        {"suite": suite, "arm": arm, "sweep": sweep, "metric": metric}
        for arm in ARMS
        for metric in ("gold_reward", "proxy_reward")
    ]
    points = pd.DataFrame(
        [
            key | {"at": place, "distance": 0.5 * number, "value": number, "low": number - 0.1, "high": number + 0.2}
            for key in keys
            for number, place in enumerate(at)
        ]
    )
    bands = pd.DataFrame(
        [
            key | {"form": form, "usual": form == "best_of_n", "distance": d, "value": d, "low": d - 1, "high": d + 1}
            for key in keys
            for form in ("best_of_n", "reinforcement")
            for d in np.linspace(0, 1, 5)
        ]
    )
    return OverOptimisation(pd.DataFrame(keys), points, bands)


def test_distance_has_points_curve_and_band_of_every_arm_in_both_panels():
    found = tables("n", [1, 4, 16])
    figure = against_distance(found.points, found.bands)
    assert len(figure.data) == 2 * 2 * 3
    markers = [one for one in figure.data if one.mode == "markers"]
    assert [list(one.x) for one in markers] == [[0.0, 0.5, 1.0]] * 4
    assert markers[0].error_y.array == pytest.approx([0.2] * 3)
    assert {one.xaxis for one in markers} == {"x", "x2"}
    band = next(one for one in figure.data if one.fill == "toself")
    assert list(band.y[:5]) == pytest.approx(list(np.linspace(0, 1, 5) + 1))
    assert list(band.x) == pytest.approx([*np.linspace(0, 1, 5), *np.linspace(1, 0, 5)])
    assert sum(bool(one.showlegend) for one in figure.data) == len(ARMS)


def test_counts_stand_on_a_logarithmic_axis_and_training_on_a_share():
    by_count = against_count(tables("n", [1, 4, 16]).points)
    assert (by_count.layout.xaxis.type, by_count.layout.xaxis2.type) == ("log", "log")
    assert list(by_count.data[0].x) == [1, 4, 16]
    by_share = against_training(tables("training", [100, 0, 50]).points)
    assert list(by_share.data[0].x) == [0, 50, 100]
    assert by_share.layout.xaxis.title.text == "share of the run, %"


def test_only_what_the_tables_hold_is_drawn():
    one, other = tables("n", [1, 4], "best_of_n"), tables("training", [0, 100])
    both = OverOptimisation(*(pd.concat(pair) for pair in zip(one, other, strict=True)))
    assert len(reinforcement_figures(both, ["gold", "best_of_n"])) == 4
    assert len(reinforcement_figures(both, ["gold"])) == 2
    assert reinforcement_figures(EMPTY, ["gold"]) == []
    unfitted = one._replace(bands=pd.DataFrame())
    assert len(reinforcement_figures(unfitted, ["best_of_n"])[0].data) == 4


def test_the_report_shows_them():
    figures = reinforcement_figures(tables("n", [1, 4, 16]), ["gold"])
    verdicts = pd.DataFrame(columns=["statement", "outcome", "effect", "low", "high", "paper_value"])
    board = pd.DataFrame({"arm": ["sft"], "suite": ["gold"]})
    assert html_report("PAR", verdicts, board, figures).count("plotly-graph-div") == 2
