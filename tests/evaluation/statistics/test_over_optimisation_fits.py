import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.best_of_n import best_of_n_kl
from tasks.evaluation.statistics.over_optimisation import (
    BestOfNFit,
    ReinforcementFit,
    bootstrap_fit,
    fit_best_of_n,
    fit_reinforcement,
)

positive = st.floats(0.05, 3.0)
DISTANCES = np.linspace(0.0, 6.0, 13)


@given(positive, positive)
def test_best_of_n_coefficients_and_peak_come_back(a, b):
    found = fit_best_of_n(DISTANCES, DISTANCES * (a - b * DISTANCES))
    assert (found.a, found.b) == (pytest.approx(a, abs=1e-8), pytest.approx(b, abs=1e-8))
    assert found.peak_distance == pytest.approx(a / (2 * b), rel=1e-6)
    assert found.peak_gold == pytest.approx(a**2 / (4 * b), rel=1e-6)


@given(positive, positive)
def test_reinforcement_coefficients_and_peak_come_back(a, b):
    logarithm = np.log(np.maximum(DISTANCES, 1e-300))
    found = fit_reinforcement(DISTANCES, DISTANCES * (a - b * logarithm))
    assert (found.a, found.b) == (pytest.approx(a, abs=1e-8), pytest.approx(b, abs=1e-8))
    assert found.peak_distance == pytest.approx(math.exp(found.a / found.b - 1), rel=1e-9)
    assert found.peak_gold == pytest.approx(found.b * found.peak_distance, rel=1e-9)


@given(positive, positive, st.sampled_from([BestOfNFit, ReinforcementFit]), st.floats(0.0, 10.0))
def test_no_distance_beats_the_peak(a, b, form, distance):
    curve = form(a, b)
    assert curve.gold(0.0) == 0.0
    assert float(curve.gold(curve.peak_distance)) == pytest.approx(curve.peak_gold, rel=1e-9)
    assert curve.gold(distance) <= curve.peak_gold * (1 + 1e-9) + 1e-12


def test_a_curve_that_only_rises_has_no_peak():
    assert BestOfNFit(1.0, -0.1).peak_distance == math.inf
    assert ReinforcementFit(1.0, 0.0).peak_gold == math.inf
    assert ReinforcementFit(1e6, 1.0).peak_distance == math.inf


def noisy(form, kl, prompts=400):
    true = form(1.2, 0.35).gold(np.sqrt(kl))
    return true[:, None] + np.random.default_rng(3).normal(size=(len(kl), prompts))


@pytest.mark.parametrize(("form", "fitting"), [(BestOfNFit, fit_best_of_n), (ReinforcementFit, fit_reinforcement)])
def test_bands_over_prompts_hold_the_true_curve(form, fitting):
    kl = best_of_n_kl([1, 2, 4, 8, 16, 64, 256, 1024])
    found = bootstrap_fit(fitting, kl, noisy(form, kl), level=0.99, resamples=300)
    true = form(1.2, 0.35)
    assert found.grid.shape == found.low.shape == found.high.shape == (50,)
    assert (found.low <= found.fit.gold(found.grid) + 1e-9).all()
    assert (true.gold(found.grid) >= found.low - 1e-9).all()
    assert (true.gold(found.grid) <= found.high + 1e-9).all()
    assert found.peak_distance[0] <= true.peak_distance <= found.peak_distance[1]
    assert found.peak_gold[0] <= true.peak_gold <= found.peak_gold[1]


def test_sampled_divergence_is_resampled_with_its_prompts_and_repeats_with_its_seed():
    kl = np.array([0.01, 1.0, 4.0, 9.0])
    sampled = kl[:, None] + np.random.default_rng(4).normal(size=(4, 200))
    gold = noisy(BestOfNFit, kl, prompts=200)
    known = bootstrap_fit(fit_best_of_n, sampled.mean(axis=1), gold, resamples=100, grid=[1.0, 2.0])
    found = bootstrap_fit(fit_best_of_n, sampled, gold, resamples=100, grid=[1.0, 2.0])
    again = bootstrap_fit(fit_best_of_n, sampled, gold, resamples=100, grid=[1.0, 2.0])
    assert (found.fit.a, found.fit.b) == pytest.approx((known.fit.a, known.fit.b))
    assert found.high.tolist() == again.high.tolist()
    assert found.high.tolist() != known.high.tolist()


@pytest.mark.parametrize("distances", [[2.0, 2.0, 2.0], [0.0, 1.0], [0.0]])
def test_points_that_do_not_determine_the_curve_are_refused(distances):
    with pytest.raises(UserError, match="two or more different distances"):
        fit_best_of_n(distances, np.zeros(len(distances)))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="points, prompts"):
        bootstrap_fit(fit_best_of_n, [1.0, 2.0], np.zeros((3, 10)))


def test_resamples_without_divergence_are_left_out_or_told():
    generator = np.random.default_rng(1)
    kl = np.array([[0.02], [0.5], [2.0]]) + generator.normal(size=(3, 40)) * np.array([[0.5], [0.9], [0.9]])
    gold = generator.normal(size=(3, 40))
    found = bootstrap_fit(fit_best_of_n, kl, gold, resamples=200)
    assert np.isfinite(found.low).all()
    few = kl[:, :4] - kl[:, :4].mean(axis=1, keepdims=True) + np.array([[0.01], [0.02], [0.05]])
    with pytest.raises(UserError, match=r"of 200 resamples of 4 prompts .*take more prompts"):
        bootstrap_fit(fit_best_of_n, few, gold[:, :4], resamples=200)
    with pytest.raises(UserError, match="wants two prompts or more, not 1"):
        bootstrap_fit(fit_best_of_n, kl[:, :1], gold[:, :1])
