"""Scaling laws: the card's numbers, curves that come back, runs that are one and the same, ratios of errors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.scaling_law_fits import (
    Curve,
    distinct,
    error_ratios,
    fit_scaling_laws,
    log_error_ratio,
    pooled_points,
)
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.statistics.over_optimisation import BestOfNFit, ReinforcementFit, fit_best_of_n, fit_reinforcement

DISTANCES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 12.0])
NOISE = np.array([0.01, -0.02, 0.015, -0.01, 0.02, -0.015])
LAW = ReinforcementFit(0.9, 0.35)
POINTS = tuple(f"dpo-beta-{number}{share}" for number in range(4) for share in ("@50%", ""))


def test_the_card_s_curve_peak_and_zero():
    assert LAW.gold(DISTANCES) == pytest.approx([0.571301, 0.9, 1.314797, 1.659188, 1.377564, 0.363392], abs=1e-6)
    assert (LAW.peak_distance, LAW.peak_gold) == (pytest.approx(4.813520, abs=1e-6), pytest.approx(1.684732, abs=1e-6))
    assert float(LAW.gold(13.084503)) == pytest.approx(0.0, abs=1e-6)


def test_the_card_s_fits_and_their_errors():
    noisy = np.array([0.571301, 0.9, 1.314797, 1.659188, 1.377564, 0.363392]) + NOISE
    log_form, quadratic = fit_reinforcement(DISTANCES, noisy), fit_best_of_n(DISTANCES, noisy)
    assert (log_form.a, log_form.b) == (pytest.approx(0.902798, abs=1e-6), pytest.approx(0.351331, abs=1e-6))
    assert (quadratic.a, quadratic.b) == (pytest.approx(0.614547, abs=1e-6), pytest.approx(0.049758, abs=1e-6))
    errors = [np.sqrt(np.mean((noisy - fit.gold(DISTANCES)) ** 2)) for fit in (log_form, quadratic)]
    assert errors == [pytest.approx(0.015125, abs=1e-6), pytest.approx(0.259005, abs=1e-6)]
    assert log_error_ratio(DISTANCES, noisy) == pytest.approx(np.log2(errors[0] / errors[1]))


def scores_of(law, points=POINTS, seeds=2, prompts=60, repeated=()) -> pd.DataFrame:
    """Points of a run on a known law at distances .4, .8 ...; ``repeated`` points copy the one before them."""
    generator = np.random.default_rng(0)
    frames, place = [], 0
    for name in ("sft", *points):
        place += name != "sft" and name not in repeated
        d = 0.4 * place
        gain = 0.0 if name == "sft" else float(law.gold(d))
        wobble = np.random.default_rng(place).normal(0, 0.02, (seeds, prompts))
        values = {
            "token_kl": np.full((seeds, prompts), d**2) * (1.0 + wobble),
            "gold_reward": 2.0 + gain + generator.normal(0, 0.01, (seeds, prompts)),
        }
        frames += [tidy(name, metric, table) for metric, table in values.items()]
    return concat_scores(frames)


def tidy(arm, metric, table) -> pd.DataFrame:
    wide = pd.DataFrame(table, columns=[f"p{number}" for number in range(table.shape[1])])
    rows = wide.rename_axis("seed").reset_index().melt("seed", var_name="prompt_id", value_name="value")
    return rows.assign(paper="daa", arm=arm, suite="gold", metric=metric)


def test_a_law_comes_back_from_all_checkpoints_with_its_bands():
    laws = fit_scaling_laws(scores_of(LAW), [Curve("dpo", "gold", POINTS, "sft")], ["gold_reward"], resamples=60)
    found = laws.fits.set_index("form")
    assert (found.loc["reinforcement", "a"], found.loc["reinforcement", "b"]) == (
        pytest.approx(0.9, abs=0.02), pytest.approx(0.35, abs=0.02),
    )  # fmt: skip
    assert found.loc["reinforcement", "residual"] < 0.1 * found.loc["best_of_n", "residual"]
    assert found.loc["reinforcement", "extrapolation"] < found.loc["best_of_n", "extrapolation"]
    assert (found["points"] == len(POINTS)).all()
    assert list(laws.points["distance"]) == sorted(laws.points["distance"])
    band = laws.bands[laws.bands["form"] == "reinforcement"]
    assert ((band["low"] <= band["value"] + 1e-9) & (band["value"] <= band["high"] + 1e-9)).mean() > 0.9


def test_the_same_run_at_two_betas_counts_once():
    scores = scores_of(LAW, repeated=("dpo-beta-3@50%",))
    course = pooled_points(scores, Curve("slic", "gold", POINTS, "sft"), "gold_reward").course
    assert len(course.points) == len(POINTS) - 1
    assert "dpo-beta-3@50%" not in course.points


def test_points_at_the_start_and_arms_without_scores_say_nothing():
    course, seeds = pooled_points(scores_of(LAW), Curve("dpo", "gold", ("sft", "gone", *POINTS), "sft"), "gold_reward")
    assert set(course.points) == set(POINTS)
    assert seeds == [0, 1]
    with pytest.raises(UserError, match="no point of dpo has gold_reward and token_kl in suite 'gold'"):
        pooled_points(scores_of(LAW), Curve("dpo", "gold", ("gone",), "sft"), "gold_reward")
    laws = fit_scaling_laws(scores_of(LAW), [Curve("dpo", "gold", ("gone",), "sft")], ["gold_reward"])
    assert "nothing to fit" in laws.fits["note"][0]
    assert laws.bands.empty


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_distinct_points_are_the_first_of_each(numbers):
    tables = np.random.default_rng(0).uniform(1.0, 5.0, (5, 2, 30))
    kept = distinct(tables[numbers])
    assert [numbers[place] for place in kept] == list(dict.fromkeys(numbers))


@pytest.mark.parametrize(("law", "sign"), [(LAW, -1), (BestOfNFit(0.6, 0.1), 1)])
def test_the_ratio_of_errors_tells_which_form_made_the_points(law, sign):
    ratios = error_ratios(scores_of(law), [Curve("dpo", "gold", POINTS, "sft")], "gold_reward")
    assert ratios["dpo"].keys() == {0, 1}
    assert all(np.sign(value) == sign for value in ratios["dpo"].values())


def test_there_is_no_ratio_of_too_few_points_or_of_exact_fits():
    assert log_error_ratio(np.array([1.0, 2.0]), np.array([0.5, 0.6])) is None
    assert log_error_ratio(np.ones(3), np.array([0.5, 0.6, 0.7])) is None
    assert log_error_ratio(DISTANCES, np.zeros(6)) is None
    assert error_ratios(scores_of(LAW), [Curve("dpo", "gold", POINTS[:2], "sft")], "gold_reward") == {}
