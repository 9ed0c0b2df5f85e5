import csv
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.length_control import (
    Coefficients,
    Observed,
    changes_much,
    fit_minimal,
    fit_without_gamed,
    length_control,
    minimal_interval,
    predict,
    standardized_length_difference,
)

STALE = {"dbrx-instruct", "NullModel"}
"""Models whose published weights are of an earlier fit than their published win rate."""


@cache
def table(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def published(shared_data):
    folder = shared_data / "alpaca_eval"
    weights = {
        row["model"]: Coefficients(float(row["w_len"]), float(row["w_difficulty"]), float(row["w_intercept"]))
        for row in table(folder / "glm_weights_length_controlled_v1.csv")
    }
    listed = {
        row["model"]: float(row["length_controlled_winrate"])
        for row in table(folder / "leaderboard_weighted_gpt4_turbo.csv")
    }
    difficulty = np.array(
        [float(row["instruction_difficulty"]) for row in table(folder / "instruction_difficulty.csv")]
    )
    return weights, listed, difficulty


def test_every_published_weight_gives_its_published_win_rate(shared_data):
    weights, listed, difficulty = published(shared_data)
    errors = {
        model: abs(100.0 * length_control(weights[model], difficulty).win_rate - listed[model])
        for model in weights.keys() & listed.keys()
    }
    assert len(errors) > 150
    assert {model for model, error in errors.items() if error > 0.02} <= STALE
    assert max(errors.values()) < 0.2


def test_models_are_compared_with_each_other_through_the_baseline(shared_data):
    weights, _, difficulty = published(shared_data)
    claude, falcon = weights["claude"], weights["falcon-7b-instruct"]
    better = predict(claude, difficulty, falcon)
    assert better.mean() > 0.9
    assert better + predict(falcon, difficulty, claude) == pytest.approx(1.0)
    assert predict(claude, difficulty, claude) == pytest.approx(0.5)


def test_the_baseline_wins_half_by_definition(shared_data):
    weights, listed, difficulty = published(shared_data)
    found = length_control(weights["gpt4_1106_preview"], difficulty)
    assert (found.win_rate, found.standard_error, listed["gpt4_1106_preview"]) == (0.5, 0.0, 50.0)


def synthetic(n=4000, length=-1.5, difficulty=0.8, intercept=-0.6):
    generator = np.random.default_rng(0)
    lengths = generator.normal(1000.0, 300.0, size=(2, n))
    s, g = standardized_length_difference(*lengths), generator.normal(size=n)
    return lengths, Observed(expit(length * np.tanh(s) + difficulty * g + intercept), s, g)


def test_coefficients_of_a_synthetic_model_come_back():
    _, rows = synthetic()
    found = fit_without_gamed(rows)
    assert (found.length, found.difficulty, found.intercept) == pytest.approx((-1.5, 0.8, -0.6), abs=0.02)


def test_missing_preferences_do_not_count():
    _, rows = synthetic(n=600)
    some = rows.preference.copy()
    some[::3] = np.nan
    kept = np.isfinite(some)
    whole = Observed(some[kept], rows.length_difference[kept], rows.difficulty[kept])
    assert fit_without_gamed(Observed(some, rows.length_difference, rows.difficulty)) == fit_without_gamed(whole)
    with pytest.raises(UserError, match="none has a preference"):
        fit_without_gamed(Observed(np.full(3, np.nan), np.zeros(3), np.zeros(3)))
    with pytest.raises(UserError, match="minimal"):
        fit_without_gamed(Observed(np.ones(3), np.zeros(3), np.zeros(3)))


def test_the_minimal_form_takes_length_out_with_an_interval_over_prompts():
    lengths, rows = synthetic(n=400, difficulty=0.0, intercept=0.4)
    won = (np.random.default_rng(1).random(400) < rows.preference).astype(float)
    found = minimal_interval(won, *lengths, resamples=100)
    fitted = fit_minimal(won, rows.length_difference)
    assert found.value == pytest.approx(float(expit(fitted.intercept)))
    assert found.low < expit(0.4) < found.high
    assert found == minimal_interval(won, *lengths, resamples=100)


def test_without_a_length_effect_the_minimal_form_is_the_win_rate():
    generator = np.random.default_rng(2)
    won, lengths = (generator.random(2000) < 0.3).astype(float), generator.normal(size=(2, 2000))
    fitted = fit_minimal(won, standardized_length_difference(*lengths))
    assert expit(fitted.intercept) == pytest.approx(won.mean(), abs=0.01)


def test_certain_wins_and_a_single_prompt_have_a_fit():
    assert fit_minimal(np.ones(50), np.zeros(50)).intercept > 3.0
    assert fit_minimal([1.0], [0.0]).intercept > 3.0


def test_a_model_that_loses_everything_does_not_win_by_its_length():
    generator = np.random.default_rng(3)
    shorter = generator.integers(50, 90, 12), generator.integers(20, 60, 12)
    found = minimal_interval(np.zeros(12), *shorter, resamples=50)
    assert found.value < 0.05
    assert 0.0 <= found.low < 0.01
    assert 0.2 < found.high < 0.3


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=2, max_size=30))
def test_length_differences_have_unit_spread_and_change_sign_with_the_sides(lengths):
    baseline, model = np.array(lengths, dtype=float).T
    s = standardized_length_difference(baseline, model)
    assert s == pytest.approx(-standardized_length_difference(model, baseline))
    assert s.std(ddof=1) == pytest.approx(1.0) or not s.any()


@pytest.mark.parametrize(
    ("plain", "controlled", "much"),
    [(0.2, 0.09, True), (0.2, 0.11, False), (0.2, 0.41, True), (0.2, 0.39, False), (0.5, 0.37, True), (0.5, 0.63, True),
     (0.77, 0.864, False), (0.05, 0.0, False)],
)  # fmt: skip
def test_the_warning_of_large_changes(plain, controlled, much):
    assert changes_much(plain, controlled) == much
