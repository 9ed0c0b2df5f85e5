"""The temperature of a judge: found where it is known, within bounds, and never worse than before."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.policy.fresh.calibrating import calibration_error, chances, likeliest_temperature
from tasks.policy.fresh.labellers import PairwiseLabels


def verdicts(sureness: float, count: int = 4000) -> torch.Tensor:
    """z of both orders of a judge whose log odds are ``sureness`` times those that its labels were drawn by."""
    generator = np.random.default_rng(0)
    true = generator.normal(0.0, 1.5, count)
    right = generator.random(count) < 1.0 / (1.0 + np.exp(-true))
    odds = sureness * np.where(right, true, -true)
    return torch.tensor(np.stack([odds, -odds], axis=1))


@pytest.mark.parametrize("sureness", [0.2, 1.0, 5.0])
def test_the_temperature_undoes_what_the_judge_is_too_sure_by(sureness):
    logits = verdicts(sureness)
    found = likeliest_temperature(logits)
    assert found == pytest.approx(sureness, rel=0.1)
    before, after = calibration_error(chances(logits, 1.0)), calibration_error(chances(logits, found))
    assert after < 0.03
    assert after <= before + 5e-3


def test_of_a_judge_that_knows_nothing_no_verdict_is_left_but_a_tie():
    generator = torch.Generator().manual_seed(0)
    odds = torch.randn(2000, generator=generator, dtype=torch.float64)
    found = likeliest_temperature(torch.stack([odds, -odds], dim=1))
    assert found > 10.0
    assert np.abs(chances(torch.stack([odds, -odds], dim=1), found) - 0.5).max() < 0.1
    assert PairwiseLabels(temperature=found).temperature == found


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=1, max_size=20))
def test_labels_are_at_least_as_likely_as_at_temperature_one_and_the_bounds_hold(pairs):
    logits = torch.tensor(pairs, dtype=torch.float64)
    found = likeliest_temperature(logits)
    assert 0.01 <= found <= 100.0
    PairwiseLabels(temperature=found)

    def surprise(temperature: float) -> float:
        return float(-np.log(np.maximum(chances(logits, temperature), 1e-12)).mean())

    assert surprise(found) <= surprise(1.0) + 1e-3


def test_position_bias_cancels_out():
    logits = torch.tensor([[3.0, 3.0], [1.2, 0.1]], dtype=torch.float64)
    assert chances(logits, 1.0).tolist() == pytest.approx([0.5, 0.5 * (0.768525 + 1 - 0.524979)], abs=1e-6)


def test_the_error_of_verdicts_that_are_certain_and_wrong_is_one():
    assert calibration_error(np.zeros(8)) == 1.0
    assert calibration_error(np.ones(8)) == 0.0
    assert calibration_error(np.full(8, 0.5)) == 0.0
