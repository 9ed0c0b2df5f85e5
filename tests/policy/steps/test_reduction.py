import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.policy.steps.reduction import denominator, reduce

VALUES = torch.tensor([[1.0, 2.0, 3.0], [5.0, torch.nan, torch.inf], [torch.nan, 7.0, 7.0]])
MASK = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
MODES = ["token_mean", "sequence_mean", "sequence_sum", "constant"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("token_mean", 11 / 4), ("sequence_mean", (2 + 5) / 2), ("sequence_sum", (6 + 5) / 2), ("constant", 11 / 30)],
)
def test_each_mode_divides_by_what_it_says_and_reads_no_padding(mode, expected):
    values = VALUES.clone().requires_grad_()
    found = reduce(values, MASK, mode, width=10)
    assert found.item() == pytest.approx(expected)
    found.backward()
    assert values.grad.isfinite().all()
    assert (values.grad[~MASK] == 0.0).all()


@pytest.mark.parametrize("mode", MODES)
def test_nothing_to_average_is_zero(mode):
    assert reduce(VALUES, torch.zeros_like(MASK), mode, width=10).item() == 0.0


def test_constant_needs_a_width():
    with pytest.raises(ValueError, match="width"):
        reduce(VALUES, MASK, "constant")


@given(st.sampled_from(MODES), st.integers(0, 2**31), st.integers(1, 5))
def test_parts_of_a_batch_add_up_to_the_batch(mode, seed, parts):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    mask = torch.rand(7, 5, generator=generator) < 0.6
    whole = reduce(values, mask, mode, 5)
    over = denominator(mask, mode, 5)
    pieces = zip(values.tensor_split(parts), mask.tensor_split(parts), strict=True)
    assert sum(reduce(*piece, mode, 5, over) for piece in pieces).item() == pytest.approx(whole.item(), abs=1e-12)
