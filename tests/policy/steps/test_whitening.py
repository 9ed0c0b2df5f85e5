import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.policy.steps.whitening import masked_moments, whiten

PAR = torch.tensor([[0.289513, 0.200540, 0.106358, torch.nan]], dtype=torch.float64)
PAR_MASK = torch.tensor([[True, True, True, False]])


def test_par_advantages_of_the_card():
    assert whiten(PAR, PAR_MASK)[0].tolist() == pytest.approx([1.212969, 0.023219, -1.236188, 0.0], abs=1e-5)


@given(st.integers(0, 2**31), st.booleans(), st.sampled_from(["variance", "deviation"]))
def test_moments_after_whitening_and_nothing_read_outside_the_mask(seed, keep_mean, form):
    generator = torch.Generator().manual_seed(seed)
    values = 3.0 + 2.0 * torch.randn(4, 6, generator=generator, dtype=torch.float64)
    mask = torch.rand(4, 6, generator=generator) < 0.7
    mask[0, :2] = True
    found = whiten(values.where(mask, torch.nan), mask, keep_mean, form)
    mean, variance = masked_moments(found, mask)
    assert mean.item() == pytest.approx(values[mask].mean().item() if keep_mean else 0.0, abs=1e-9)
    assert variance.item() == pytest.approx(1.0, rel=1e-3)
    assert (found[~mask] == 0.0).all()


def test_the_two_forms_put_epsilon_in_different_places():
    values, mask = torch.tensor([0.0, 2.0]), torch.ones(2, dtype=torch.bool)
    assert whiten(values, mask, epsilon=3.0).tolist() == pytest.approx([-0.5, 0.5])
    assert whiten(values, mask, form="deviation", epsilon=3.0).tolist() == pytest.approx([-0.25, 0.25])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_equal_values_or_none_at_all_stay_finite(count):
    values = torch.full((3,), 0.1)
    mask = torch.arange(3) < count
    assert whiten(values, mask).tolist() == [0.0, 0.0, 0.0]
