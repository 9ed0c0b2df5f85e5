"""Figures of the two offline studies: every arm is drawn where its scores say, and nothing without them."""

import numpy as np
import pandas as pd
import pytest

from dashboards.gap_figures import trade_off
from dashboards.generalisation_figures import accuracy_by_test_set, accuracy_off_against_on
from dashboards.scaling_law_figures import scaling_law_figures
from tasks.evaluation.scaling_law_fits import Curve, ScalingLaws, fit_scaling_laws
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.statistics.over_optimisation import ReinforcementFit

LAW = ReinforcementFit(0.9, 0.35)
POINTS = tuple(f"dpo-beta-{number}" for number in range(5))


def of(arm: str, suite: str, metric: str, values, seed: int) -> pd.DataFrame:
    named = {f"p{number}": float(value) for number, value in enumerate(values)}
    return score_rows(paper="study", arm=arm, seed=seed, suite=suite, metric=metric, values=named)


@pytest.fixture(scope="module")
def laws() -> ScalingLaws:
    generator = np.random.default_rng(0)
    frames = []
    for seed in (0, 1):
        for number, arm in enumerate(("sft", *POINTS)):
            noise = generator.normal(0, 0.05, 40)
            frames += [
                of(arm, "gold", "token_kl", number**2 * (1.0 + 0.1 * np.abs(noise)), seed),
                of(arm, "gold", "gold_reward", float(LAW.gold(float(number))) + noise, seed),
            ]
    curves = [Curve("dpo", "gold", POINTS, "sft"), Curve("gone", "gold", ("nothing",), "sft")]
    return fit_scaling_laws(concat_scores(frames), curves, ["gold_reward"], resamples=40)


def test_every_point_and_both_forms_are_drawn(laws):
    (figure,) = scaling_law_figures(laws)
    dots = [one for one in figure.data if one.mode == "markers"]
    lines = [one for one in figure.data if one.mode == "lines" and not one.fill]
    bands = [one for one in figure.data if one.fill == "toself"]
    assert (len(dots), len(lines), len(bands)) == (2, 2, 2)
    assert list(dots[0].x) == pytest.approx([1, 2, 3, 4, 5], abs=0.3)
    assert set(dots[0].text) == set(POINTS)
    assert max(lines[0].y) == pytest.approx(LAW.peak_gold, abs=0.1)
    assert "gold_reward" in figure.layout.title.text


def test_a_point_of_two_laws_is_drawn_once_and_both_lines_are_named(laws):
    again = [table.assign(arm="all") for table in (laws.points, laws.bands)]
    both = laws._replace(points=pd.concat([laws.points, again[0]]), bands=pd.concat([laws.bands, again[1]]))
    (figure,) = scaling_law_figures(both)
    assert {one.name for one in figure.data if one.mode == "markers"} == {"dpo"}
    assert [one.name for one in figure.data if one.showlegend] == ["dpo", "all"]


def test_a_form_that_points_do_not_determine_has_no_curve(laws):
    (figure,) = scaling_law_figures(laws._replace(bands=laws.bands[:0]))
    assert {one.mode for one in figure.data} == {"markers"}


@pytest.fixture(scope="module")
def accuracies() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    levels = {"exrm": (0.9, 0.8), "exrm@step5": (0.7, 0.7), "dporm": (0.85, 0.7)}
    return concat_scores(
        [
            of(arm, suite, "reward_accuracy", generator.random(400) < level, seed)
            for arm, pair in levels.items()
            for suite, level in zip(("id", "hot"), pair, strict=True)
            for seed in (0, 1)
        ]
    )


def test_bars_are_the_arms_means_with_intervals_and_leave_checkpoints_out(accuracies):
    figure = accuracy_by_test_set(accuracies, ["id", "hot", "never_scored"], "reward_accuracy")
    assert [one.name for one in figure.data] == ["exrm", "dporm"]
    assert list(figure.data[0].x) == ["id", "hot"]
    assert list(figure.data[0].y) == pytest.approx([0.9, 0.8], abs=0.05)
    assert all(value > 0 for value in figure.data[0].error_y.array)


def test_dots_stand_at_an_arm_s_accuracies_a_seed_and_checkpoint(accuracies):
    figure = accuracy_off_against_on(accuracies, ["exrm", "dporm"], "id", ["hot"], "reward_accuracy")
    exrm, dporm = figure.data
    assert (len(exrm.x), len(dporm.x)) == (4, 2)
    assert sorted(exrm.marker.size) == [7, 7, 14, 14]
    assert list(dporm.y) == pytest.approx([0.7, 0.7], abs=0.08)
    assert all("seed" in text for text in exrm.text)


def test_the_trade_off_begins_at_the_common_start_and_has_a_band_a_curve():
    generator = np.random.default_rng(0)
    heights = {"sft": (0.0, 0.0), "online@50%": (1.0, 1.0), "online": (2.0, 3.0), "offline": (1.0, 0.5)}
    scores = concat_scores(
        [
            of(arm, "gold", metric, level + 0.1 * np.abs(generator.normal(size=30)), seed)
            for arm, point in heights.items()
            for metric, level in zip(("token_kl", "gold_reward"), point, strict=True)
            for seed in (0, 1)
        ]
    )
    figure = trade_off(scores, "gold", {"gold_reward": "true reward"}, ["online", "offline", "gone"])
    (line,) = [one for one in figure.data if not one.fill]
    (band,) = [one for one in figure.data if one.fill]
    assert line.name == "online", "an arm of one point is no curve"
    assert list(line.x) == pytest.approx([0.0, 1.0, 2.0], abs=0.2)
    assert list(line.y) == pytest.approx([0.0, 1.0, 3.0], abs=0.2)
    assert min(band.y[:3]) > min(band.y[3:])
    assert len(band.y) == 6
