"""Drops after a peak, steps to a target, interactions and means of arms: what each claims, and when it must not."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.engine.schema import UserError
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, InteractionDifference, Level, MeanOfArms
from tasks.evaluation.evidence_over_training import Drop, StepsToTarget, cross_fitted_drop, first_passage
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.verdicts import judge

SUITE = "gold"
POINTS = ("ppo@25%", "ppo@50%", "ppo@75%", "ppo")


def tidy(arm: str, values, metric: str = "gold_reward") -> pd.DataFrame:
    """Scores of one arm from an array [seeds, prompts]."""
    return concat_scores(
        [
            score_rows(
                paper="par", arm=arm, seed=seed, suite=SUITE, metric=metric,
                values={f"p{index:03d}": value for index, value in enumerate(row)},
            )
            for seed, row in enumerate(np.atleast_2d(np.asarray(values, dtype=float)))
        ]
    )  # fmt: skip


def verdict(evidence, scores, **fields):
    claim = Claim(key="c", statement="s", source="Table 1", paper_value="-", evidence=evidence, **fields)
    return judge([claim], scores)[0]


def course(heights, seeds=3, prompts=80, seed_sd=0.05, metric="gold_reward", number=0, points=POINTS) -> pd.DataFrame:
    generator = np.random.default_rng(number)
    shared = generator.normal(0, 1.0, (1, prompts))
    return concat_scores(
        [
            tidy(
                arm,
                height + shared + generator.normal(0, seed_sd, (seeds, 1)) + generator.normal(0, 0.4, (seeds, prompts)),
                metric,
            )
            for arm, height in zip(points, heights, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("heights", "outcome", "drop"),
    [((0.5, 1.0, 0.6, 0.2), "supported", 0.8), ((0.1, 0.4, 0.7, 1.0), "refuted", -0.3), ((1, 1, 1, 1), None, 0.0)],
)
def test_a_drop_is_the_best_earlier_point_minus_the_last(heights, outcome, drop):
    found = verdict(Drop(metric="gold_reward", points=POINTS, suite=SUITE), course(heights))
    assert found.effect == pytest.approx(drop, abs=0.15)
    assert found.outcome == (outcome or "inconclusive")
    assert (found.n_seeds, found.n_prompts) == (3, 80)


def test_the_choice_of_the_peak_does_not_profit_from_noise():
    generator = np.random.default_rng(0)
    naive, fair, excluded = [], [], 0
    for number in range(200):
        flat = (
            generator.normal(0, 0.3, (6, 3, 1))
            + generator.normal(0, 1.0, (1, 1, 40))
            + generator.normal(0, 1.0, (6, 3, 40))
        )
        naive.append(flat.mean(axis=(1, 2))[:-1].max() - flat[-1].mean())
        fair.append(cross_fitted_drop(flat, flat)[0].mean())
        if number < 100:
            points = tuple(f"a@{index}" for index in range(6))
            scores = concat_scores([tidy(name, values) for name, values in zip(points, flat, strict=True)])
            excluded += verdict(Drop(metric="gold_reward", points=points, suite=SUITE), scores).outcome == "supported"
    error = np.std(fair) / math.sqrt(len(fair))
    assert np.mean(naive) > 0.15
    assert abs(np.mean(fair)) < 3 * error
    assert excluded <= 8


def test_what_is_measured_has_no_part_in_the_choice():
    values = np.random.default_rng(1).normal(size=(4, 2, 10))
    _, chosen = cross_fitted_drop(values, values)
    louder = values.copy()
    louder[2, 0, ::2] += 100.0
    _, after = cross_fitted_drop(louder, louder)
    assert chosen[0] == after[0]
    assert after[3] == 2


@given(arrays(np.float64, (3, 2, 6), elements=st.floats(-5, 5)), st.floats(-3, 3))
def test_a_drop_ignores_what_all_points_share(values, shift):
    values = np.round(values, 3)
    moved = cross_fitted_drop(values + round(shift, 3), values + round(shift, 3))[0]
    assert moved.shape == (2, 6)
    judged = cross_fitted_drop(values, values + 1.0)[0]
    assert judged == pytest.approx(cross_fitted_drop(values, values)[0], abs=1e-9)


def test_the_proxy_rises_after_the_peak_of_the_gold_reward():
    scores = concat_scores(
        [course((0.5, 1.0, 0.6, 0.2)), course((1.0, 2.0, 3.0, 4.0), metric="proxy_reward", number=1)]
    )
    evidence = Drop(metric="proxy_reward", peak_of="gold_reward", points=POINTS, suite=SUITE)
    found = verdict(evidence, scores, direction="below")
    assert found.outcome == "supported"
    assert found.effect == pytest.approx(-2.0, abs=0.15)
    assert "peak at 'ppo@50%'" in found.reason


def test_one_arm_drops_less_than_another():
    other = tuple(name.replace("ppo", "par") for name in POINTS)
    scores = concat_scores([course((0.5, 1.0, 0.6, 0.2)), course((0.5, 1.0, 1.0, 0.9), points=other, number=2)])
    found = verdict(Drop(metric="gold_reward", points=other, baselines=POINTS, suite=SUITE), scores, direction="below")
    assert found.outcome == "supported"
    assert found.effect == pytest.approx(-0.7, abs=0.2)


def test_a_drop_of_one_seed_says_so_and_one_prompt_is_refused():
    found = verdict(Drop(metric="gold_reward", points=POINTS, suite=SUITE), course((0.5, 1.0, 0.6, 0.2), seeds=1))
    assert "one seed" in found.reason
    with pytest.raises(UserError, match="only 1; take more prompts"):
        cross_fitted_drop(np.zeros((3, 2, 1)), np.zeros((3, 2, 1)))
    with pytest.raises(ValueError, match="two points or more"):
        Drop(metric="gold_reward", points=("ppo",), suite=SUITE)


def test_an_interaction_is_a_difference_of_differences():
    rng = np.random.default_rng(3)
    base = rng.normal(size=(3, 60))
    heights = {"wco": 0.4, "single": 0.0, "wco-noisy": 0.2, "single-noisy": -1.0}
    scores = concat_scores([tidy(arm, base + height + rng.normal(0, 0.2, (3, 60))) for arm, height in heights.items()])
    evidence = InteractionDifference(
        metric="gold_reward", arm="wco-noisy", baseline="single-noisy", other_arm="wco", other_baseline="single",
        suite=SUITE,
    )  # fmt: skip
    found = verdict(evidence, scores)
    assert found.outcome == "supported"
    assert found.effect == pytest.approx(0.8, abs=0.1)
    shares = {arm: np.full((1, 4), value) for arm, value in zip(heights, (1.0, 0.0, 0.0, 1.0), strict=True)}
    exact = concat_scores([tidy(arm, value, "accuracy") for arm, value in shares.items()])
    measured = InteractionDifference(
        metric="accuracy", arm="wco", baseline="single", other_arm="wco-noisy", other_baseline="single-noisy",
        suite=SUITE,
    ).measure(exact)  # fmt: skip
    assert measured.values.tolist() == [[2.0] * 4]
    assert measured.bounds == (-2.0, 2.0)


def test_single_is_the_mean_of_the_members_and_not_the_best():
    scores = concat_scores([tidy("m0", [[1.0, 2.0]]), tidy("m1", [[3.0, 6.0]]), tidy("mean", [[4.0, 5.0]])])
    single = MeanOfArms(("m0", "m1"))
    assert Level(metric="gold_reward", arm=single, suite=SUITE).measure(scores).values.tolist() == [[2.0, 4.0]]
    difference = Difference(metric="gold_reward", arm="mean", baseline=single, suite=SUITE)
    assert difference.measure(scores).values.tolist() == [[2.0, 1.0]]
    with pytest.raises(ValueError, match="at least one arm"):
        MeanOfArms(())


def test_a_seed_that_one_member_lacks_is_left_out_for_all():
    scores = concat_scores([tidy("m0", [[1.0], [2.0]]), tidy("m1", [[3.0]]), tidy("mean", [[4.0], [5.0]])])
    found = Difference(metric="gold_reward", arm="mean", baseline=MeanOfArms(("m0", "m1")), suite=SUITE).measure(scores)
    assert found.values.tolist() == [[2.0]]
    assert "seed(s) 1" in found.note


@pytest.mark.parametrize(
    ("heights", "target", "steps"),
    [
        ([0.0, 1.0, 2.0], 1.5, 15.0),
        ([0.0, 1.0, 2.0], 2.0, 20.0),
        ([0.0, 1.0, 0.5], 1.0, 10.0),
        ([0.0, 2.0, 0.0], 0.5, 2.5),
        ([3.0, 1.0, 2.0], 2.5, 0.0),
        ([0.0, 1.0, 1.5], 2.0, math.inf),
    ],
)
def test_first_passage(heights, target, steps):
    assert first_passage(np.array([0.0, 10.0, 20.0]), np.array(heights), target) == pytest.approx(steps)


STEPS = (0.0, 100.0, 200.0, 300.0, 400.0)
MACRO = ("sft", "ma@25%", "ma@50%", "ma@75%", "ma")
VANILLA = ("sft", *POINTS)


def racing(fast, slow, seeds=3) -> pd.DataFrame:
    both = (MACRO, fast), (VANILLA, slow)
    rng = np.random.default_rng(5)
    heights = {arm: height for arms, curve in both for arm, height in zip(arms, curve, strict=True)}
    return concat_scores([tidy(arm, height + rng.normal(0, 0.05, (seeds, 40))) for arm, height in heights.items()])


def sooner(**fields) -> StepsToTarget:
    return StepsToTarget(metric="gold_reward", points=MACRO, baselines=VANILLA, steps=STEPS, suite=SUITE, **fields)


def test_twice_as_fast_is_half_a_run_sooner():
    scores = racing((0, 0.5, 1.0, 1.2, 1.3), (0, 0.25, 0.5, 0.75, 1.0))
    found = verdict(sooner(), scores, direction="below")
    assert found.outcome == "supported"
    assert found.effect == pytest.approx(-0.5, abs=0.05)
    assert verdict(sooner(factor=0.6), scores, direction="below").outcome == "supported"
    assert verdict(sooner(factor=0.3), scores, direction="below").outcome == "refuted"


def test_an_arm_that_never_arrives_needs_its_whole_run_and_is_named():
    scores = racing((0, 0.2, 0.2, 0.2, 0.2), (0, 0.4, 0.8, 1.0, 1.0))
    measured = sooner(factor=0.5).measure(scores)
    assert measured.values[:, 0] == pytest.approx([1.0 - 0.5 * 0.125] * 3, abs=0.02)
    assert "3 of 3 seeds never reach the target" in measured.note
    found = verdict(sooner(), scores, direction="below")
    assert found.effect == pytest.approx(0.875, abs=0.03)
    assert found.outcome == "refuted"


def test_two_equal_arms_are_sooner_and_later_equally_often():
    generator = np.random.default_rng(0)
    curve = np.array([0.0, 0.3, 0.55, 0.8, 1.0])
    effects = []
    for _ in range(60):
        arms = [(MACRO, curve), (VANILLA, curve)]
        rows = {
            arm: generator.normal(height, 0.03 if height else 0.0, (5, 1))
            for names, heights in arms
            for arm, height in zip(names, heights, strict=True)
        }
        effects.append(sooner().measure(concat_scores([tidy(arm, values) for arm, values in rows.items()])).values)
    means = np.array(effects).mean(axis=(1, 2))
    assert abs(means.mean()) < 3 * means.std(ddof=1) / math.sqrt(len(means))
    assert means.std() > 0.005


def test_a_baseline_that_did_not_learn_is_told():
    note = sooner().measure(racing((0, 1, 2, 3, 4), (0, -1, -2, -3, -4))).note
    assert "in 3 of 3 seeds the baseline stands at the target from its start" in note


@pytest.mark.parametrize("fields", [{"steps": (0.0, 1.0)}, {"steps": (0.0, 2.0, 1.0, 3.0, 4.0)}, {"factor": 0.0}])
def test_steps_that_do_not_fit_are_refused(fields):
    with pytest.raises(ValueError, match=r"want as many|must rise|must be above 0"):
        StepsToTarget(
            **{"metric": "gold_reward", "points": MACRO, "baselines": VANILLA, "steps": STEPS, "suite": SUITE} | fields
        )
