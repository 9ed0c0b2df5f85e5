import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.formula.api import ols

from tasks.evaluation.statistics.estimates import estimate
from tasks.evaluation.statistics.noise import (
    Components,
    Noise,
    expected_noise,
    mean_squares,
    noise_of_mean,
    variance_components,
)

BY_HAND = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]])


def crossed(rng, seeds, prompts, *, seed_sd, prompt_sd, residual_sd):
    return (
        rng.normal(0, seed_sd, (seeds, 1))
        + rng.normal(0, prompt_sd, (1, prompts))
        + rng.normal(0, residual_sd, (seeds, prompts))
    )


def test_mean_squares_and_components_worked_by_hand():
    assert mean_squares(BY_HAND) == pytest.approx((13.5, 6.5, 1.5))
    assert variance_components(BY_HAND) == Components(seed=4.0, prompt=2.5, residual=1.5)
    noise = noise_of_mean(BY_HAND)
    assert noise.parts == ((pytest.approx(13.5 / 6), 1), (pytest.approx(5.0 / 6), 2))


def test_mean_squares_agree_with_statsmodels_anova():
    values = crossed(np.random.default_rng(0), 4, 9, seed_sd=1, prompt_sd=2, residual_sd=0.5)
    seeds, prompts = np.indices(values.shape)
    frame = pd.DataFrame({"y": values.ravel(), "s": seeds.ravel(), "p": prompts.ravel()})
    table = sm.stats.anova_lm(ols("y ~ C(s) + C(p)", frame).fit())
    assert mean_squares(values) == pytest.approx((table["sum_sq"] / table["df"]).tolist())


def test_components_are_unbiased_over_many_tables():
    rng = np.random.default_rng(1)
    tables = [crossed(rng, 3, 60, seed_sd=0.5, prompt_sd=1.0, residual_sd=2.0) for _ in range(1500)]
    found = np.mean([mean_squares(table) for table in tables], axis=0)
    assert found == pytest.approx([60 * 0.25 + 4.0, 3 * 1.0 + 4.0, 4.0], rel=0.05)


def test_one_seed_has_prompt_noise_alone_and_one_prompt_seed_noise_alone():
    row = np.array([[1.0, 2.0, 4.0]])
    assert noise_of_mean(row).parts == ((pytest.approx(stats.sem(row[0]) ** 2), 2),)
    assert noise_of_mean(row.T).parts == noise_of_mean(row).parts
    assert noise_of_mean(row[:, :1]).half_width(0.05) == np.inf


def test_seeds_that_agree_by_luck_do_not_make_the_noise_vanish():
    lucky = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert noise_of_mean(lucky).standard_error > 0.4
    values = np.random.default_rng(2).normal(size=(3, 40))
    values -= values.mean(axis=1, keepdims=True)
    assert noise_of_mean(values).standard_error >= 0.999 * stats.sem(values.mean(axis=0))


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 5), st.integers(1, 30), st.floats(0.0, 5), st.integers(1, 300), st.floats(1e-6, 0.9))
def test_p_value_is_the_alpha_whose_half_width_is_the_distance(first, df, second, other_df, alpha):
    noise = Noise(((first, df), (second, other_df)))
    assert noise.p_value(noise.half_width(alpha)) == pytest.approx(alpha, rel=1e-6)


def test_p_value_of_one_part_is_student_s():
    assert Noise(((4.0, 7),)).p_value(3.0) == pytest.approx(2 * stats.t.sf(1.5, 7))
    assert Noise(((4.0, 7),)).p_value(0.0) == 1.0
    assert Noise(((0.0, 7),)).p_value(0.1) == 0.0


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (3, 5), elements=st.floats(-5, 5)), st.floats(-10, 10), st.floats(0.1, 10))
def test_shifting_does_nothing_to_noise_and_scaling_scales_it(values, shift, scale):
    error = noise_of_mean(values).standard_error
    assert noise_of_mean(values * scale + shift).standard_error == pytest.approx(error * scale, abs=1e-6)


def test_expected_noise_of_the_same_size_is_the_observed_noise():
    values = crossed(np.random.default_rng(3), 4, 30, seed_sd=1, prompt_sd=1, residual_sd=1)
    observed = noise_of_mean(values)
    expected = expected_noise(variance_components(values), 4, 30)
    assert expected.half_width(0.05) == pytest.approx(observed.half_width(0.05))


@pytest.mark.parametrize(
    ("seed_sd", "prompt_sd", "residual_sd"),
    [(0.0, 1.0, 1.0), (0.1, 0.3, 1.5), (0.3, 1.0, 1.0), (1.0, 1.0, 1.0)],
)
def test_three_seeds_cover_the_truth_as_often_as_promised(seed_sd, prompt_sd, residual_sd):
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(600):
        values = crossed(rng, 3, 100, seed_sd=seed_sd, prompt_sd=prompt_sd, residual_sd=residual_sd)
        found = estimate(values)
        hits += found.low <= 0.0 <= found.high
    assert hits / 600 >= 0.93


def test_a_bootstrap_over_three_seeds_and_their_prompts_would_not_cover():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        values = crossed(rng, 3, 60, seed_sd=1.0, prompt_sd=0.3, residual_sd=1.0)
        seeds = rng.multinomial(3, [1 / 3] * 3, 200) / 3
        prompts = rng.multinomial(60, [1 / 60] * 60, 200) / 60
        low, high = np.percentile(np.einsum("bs,sp,bp->b", seeds, values, prompts), [2.5, 97.5])
        hits += low <= 0.0 <= high
    assert hits / 200 < 0.85
