import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tasks.engine.schema import UserError
from tasks.policy.steps.kl_control import AdaptiveKL, FixedKL, KLControl


def test_a_fixed_coefficient_stays():
    assert FixedKL(coefficient=0.05).next_coefficient(0.05, 1e6, 64) == 0.05


@pytest.mark.parametrize(
    ("observed", "expected"),
    [(6.0, 0.1), (6.6, 0.1 * (1 + 0.1 * 0.0256)), (60.0, 0.1 * (1 + 0.2 * 0.0256)), (0.0, 0.1 * (1 - 0.2 * 0.0256))],
)
def test_the_controller_moves_by_the_clipped_error_times_its_share_of_the_horizon(observed, expected):
    control = AdaptiveKL(coefficient=0.1, target=6.0, horizon=10_000)
    assert control.next_coefficient(0.1, observed, 256) == pytest.approx(expected, rel=1e-12)


@given(st.floats(-1e3, 1e3), st.integers(1, 1999), st.floats(1e-6, 10.0))
def test_the_coefficient_stays_positive_and_moves_toward_the_target(observed, rows, current):
    control = AdaptiveKL(target=6.0, horizon=400)
    after = control.next_coefficient(current, observed, rows)
    assert after > 0.0
    assert (after - current) * (observed - 6.0) >= 0.0


def test_a_horizon_in_which_the_coefficient_could_vanish_is_refused():
    with pytest.raises(UserError, match=r"kl\.horizon 10 is too short for 64 responses"):
        AdaptiveKL(horizon=10).next_coefficient(0.1, 0.0, 64)


def test_the_kind_chooses_the_settings():
    adapter = TypeAdapter(KLControl)
    assert adapter.validate_python({"kind": "adaptive", "target": 3.0}) == AdaptiveKL(target=3.0)
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "fixed", "target": 3.0})
