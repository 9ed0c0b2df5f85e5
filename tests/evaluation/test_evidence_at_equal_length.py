"""Length-controlled win rates as evidence: the suite's own fit, its noise, and padding that buys nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tasks.engine.schema import UserError
from tasks.evaluation.evidence_at_equal_length import LengthControlledDifference, LengthControlledWins, controlled_wins
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.statistics.length_control import fit_minimal, minimal_interval, standardized_length_difference

PROMPTS = 400


def drawn(seed, padding, quality, prompts=PROMPTS):
    """Rewards of a policy and of the baseline, and their lengths: longer answers win more often."""
    generator = np.random.default_rng(seed)
    other_length = generator.integers(6, 20, prompts).astype(float)
    length = np.maximum(1.0, other_length + generator.normal(padding, 4.0, prompts))
    chance = expit(0.15 * (length - other_length) + quality)
    reward = (generator.random(prompts) < chance).astype(float)
    return reward, length, np.full(prompts, 0.5), other_length


def scores_of(arms):
    frames = []
    for arm, seeds in arms.items():
        for seed, (reward, length) in enumerate(seeds):
            for metric, values in (("gold_reward", reward), ("response_tokens", length)):
                named = {f"p{index:03d}": float(value) for index, value in enumerate(values)}
                frames.append(score_rows(paper="simpo", arm=arm, seed=seed, suite="gold", metric=metric, values=named))
    return concat_scores(frames)


def test_the_mean_is_the_fitted_win_rate_and_the_spread_is_its_noise():
    reward, length, other, other_length = drawn(0, padding=5.0, quality=0.3)
    values = controlled_wins(reward, length, other, other_length, "simpo")
    fitted = fit_minimal(reward, standardized_length_difference(other_length, length))
    assert values.mean() == pytest.approx(float(expit(fitted.intercept)), abs=1e-12)
    resampled = minimal_interval(reward, other_length, length, resamples=400)
    assert values.std(ddof=1) / np.sqrt(PROMPTS) == pytest.approx(resampled.standard_error, rel=0.15)


def test_padding_alone_wins_and_is_taken_out():
    pairs = [drawn(seed, padding=6.0, quality=0.0) for seed in range(6)]
    plain = np.mean([reward.mean() for reward, *_ in pairs])
    controlled = np.mean([controlled_wins(*pair, "dpo").mean() for pair in pairs])
    assert plain > 0.65
    assert controlled == pytest.approx(0.5, abs=0.06)


def test_a_difference_is_paired_and_favours_quality_over_length():
    arms = {"sft": [], "simpo": [], "dpo": []}
    for seed in range(3):
        better, length, other, other_length = drawn(seed, padding=0.0, quality=0.8)
        padded, padded_length, _, _ = drawn(seed, padding=6.0, quality=0.0)
        arms["sft"].append((other, other_length))
        arms["simpo"].append((better, length))
        arms["dpo"].append((padded, padded_length))
    scores = scores_of(arms)
    one = LengthControlledWins(arm="simpo", opponent="sft", suite="gold").measure(scores)
    difference = LengthControlledDifference(arm="simpo", baseline="dpo", opponent="sft", suite="gold").measure(scores)
    assert one.values.shape == difference.values.shape == (3, PROMPTS)
    assert one.values.mean() == pytest.approx(float(expit(0.8)), abs=0.05)
    assert difference.values.mean() > 0.1


def test_prompts_with_one_winner_cannot_be_controlled():
    scores = scores_of({"sft": [(np.zeros(9), np.arange(9.0))], "simpo": [(np.ones(9), np.arange(9.0))]})
    assert isinstance(scores, pd.DataFrame)
    with pytest.raises(UserError, match=r"arm 'simpo' has one outcome on all 9 prompts"):
        LengthControlledWins(arm="simpo", opponent="sft", suite="gold").measure(scores)
