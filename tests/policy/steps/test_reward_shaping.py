"""Reward shaping: the numbers of PAR's card, and what every curve keeps."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import Tensor

from tasks.engine.schema import UserError
from tasks.policy.steps.running_statistics import ClipToDeviation, MeanStd, MinMax, ScaledVanilla
from tasks.policy.steps.shaping import Ceiling, Shaping, Vanilla
from tasks.policy.steps.shaping_curves import (
    Arctan,
    CentredReward,
    FittedPolynomial,
    LogSigmoidCentred,
    PreferenceAsReward,
    Sigmoid,
    SlowGrowthFastConvergence,
    Tanh,
    sigmoid_polynomial,
)

REFERENCES = torch.tensor([[0.5, 1.0, 3.0]])
BATCH = torch.tensor([1.0, 2.0, 3.0, 6.0])
FINITE = st.floats(-20.0, 20.0, width=32)


def shaped(shaping, scores, anchors=None):
    value, _ = shaping.shape(torch.as_tensor(scores), anchors, {})
    return value.tolist()


@pytest.mark.parametrize(
    ("shaping", "expected"),
    [
        (PreferenceAsReward(references=3), 0.605858),
        (PreferenceAsReward(references=1), 0.817574),
        (CentredReward(references=3), 0.5),
        (LogSigmoidCentred(references=3), -1.220682),
        (Sigmoid(), 0.880797),
        (Sigmoid(steepness=3.0), 0.997527),
        (Tanh(centred=False), math.tanh(2.0)),
        (Tanh(references=3), (math.tanh(1.5) + math.tanh(1.0) - math.tanh(1.0)) / 3),
        (Arctan(centred=False), math.atan(2.0)),
        (Arctan(references=1), math.atan(1.5)),
        (Ceiling(ceiling=1.25), 1.25),
        (Ceiling(ceiling=3.0), 2.0),
        (Vanilla(), 2.0),
    ],
)
def test_the_card_s_example(shaping, expected):
    assert shaped(shaping, [2.0], REFERENCES) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(("steepness", "expected"), [(1.0, 0.268941), (3.0, 0.047426)])
def test_slow_growth_fast_convergence(steepness, expected):
    curve = SlowGrowthFastConvergence(steepness=steepness, references=1)
    assert shaped(curve, [2.5], REFERENCES) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(
    ("shaping", "expected"),
    [
        (MeanStd(), [-1.069045, -0.534522, 0.0, 1.603567]),
        (ClipToDeviation(), [1.129171, 2.0, 3.0, 4.870829]),
        (MinMax(), [0.0, 0.2, 0.4, 1.0]),
        (ScaledVanilla(), [0.534522, 1.069045, 1.603567, 3.207135]),
    ],
)
def test_the_card_s_first_batch(shaping, expected):
    assert shaped(shaping, BATCH) == pytest.approx(expected, abs=1e-6)


def test_the_polynomial_is_close_to_the_sigmoid_and_cut_off_outside():
    inside = torch.linspace(-4.99, 4.99, 999, dtype=torch.float64)
    assert (sigmoid_polynomial(inside) - inside.sigmoid()).abs().max() < 0.02
    assert sigmoid_polynomial(torch.tensor([-70.0, -5.0, 0.0, 5.0, 70.0])).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert shaped(FittedPolynomial(references=1), [0.5], REFERENCES) == pytest.approx([0.5])
    assert shaped(FittedPolynomial(centred=False), [0.0]) == pytest.approx([0.5])


CURVES = [
    (PreferenceAsReward(references=3), 0.0, 1.0),
    (PreferenceAsReward(references=1, steepness=3.0), 0.0, 1.0),
    (Sigmoid(), 0.0, 1.0),
    (SlowGrowthFastConvergence(references=2), 0.0, 1.0),
    (Tanh(references=3), -1.0, 1.0),
    (Tanh(centred=False), -1.0, 1.0),
    (Arctan(references=3), -math.pi / 2, math.pi / 2),
    (LogSigmoidCentred(references=3), -math.inf, 0.0),
    (MinMax(), 0.0, 1.0),
    (MeanStd(), -math.inf, math.inf),
    (ClipToDeviation(), -math.inf, math.inf),
    (ScaledVanilla(), -math.inf, math.inf),
    (Ceiling(), -math.inf, 4.0),
    (CentredReward(references=3), -math.inf, math.inf),
    (Vanilla(), -math.inf, math.inf),
]


@pytest.mark.parametrize(("shaping", "lowest", "highest"), CURVES, ids=lambda value: getattr(value, "kind", ""))
@given(scores=st.lists(FINITE, min_size=2, max_size=9), anchors=st.lists(FINITE, min_size=3, max_size=5))
def test_shaped_rewards_are_bounded_and_in_order(shaping, lowest, highest, scores, anchors):
    values = torch.tensor(sorted(scores))
    result, _ = shaping.shape(values, torch.tensor([anchors]).expand(len(values), -1), {})
    assert result.shape == values.shape
    assert result.dtype == values.dtype
    assert (result >= lowest - 1e-6).all()
    assert (result <= highest + 1e-6).all()
    assert (result.diff() >= -1e-6 * result.abs().max()).all()


@given(st.lists(FINITE, min_size=2, max_size=9))
def test_the_polynomial_hardly_leaves_the_unit_interval(scores):
    assert all(-0.011 <= value <= 1.011 for value in shaped(FittedPolynomial(centred=False), scores))


def group_advantages(rewards: Tensor) -> Tensor:
    return (rewards - rewards.mean()) / (rewards.std() + 1e-8)


@pytest.mark.parametrize("shaping", [MeanStd(), MinMax(), ScaledVanilla(), CentredReward(references=3)])
@given(
    scores=st.lists(st.integers(-40, 40), min_size=5, max_size=5).filter(lambda values: len(set(values)) > 1),
    seen=st.lists(st.integers(-40, 40), min_size=2, max_size=6),
)
def test_positive_affine_shaping_leaves_grpo_advantages_alone(shaping, scores, seen):
    group = torch.tensor(scores, dtype=torch.float64) / 4
    anchors = REFERENCES.double().expand(5, -1)
    _, state = shaping.shape(torch.tensor(seen, dtype=torch.float64), anchors[:1].expand(len(seen), -1), {})
    values, _ = shaping.shape(group, anchors, state)
    assert torch.allclose(group_advantages(values), group_advantages(group), atol=1e-5)


@given(st.lists(st.lists(FINITE, min_size=1, max_size=7), min_size=1, max_size=5))
def test_running_moments_are_those_of_all_rewards_so_far(batches):
    state: dict[str, float] = {}
    for batch in batches:
        values, state = MeanStd().shape(torch.tensor(batch, dtype=torch.float64), None, state)
    seen = torch.tensor([score for batch in batches for score in batch], dtype=torch.float64)
    assert state["count"] == len(seen)
    assert state["mean"] == pytest.approx(float(seen.mean()), abs=1e-9)
    assert state["squares"] / state["count"] == pytest.approx(float(seen.var(correction=0)), abs=1e-6)
    if seen.std(correction=0) > 1e-3:
        wanted = (torch.tensor(batches[-1], dtype=torch.float64) - seen.mean()) / seen.std(correction=0)
        assert torch.allclose(values, wanted, atol=1e-5)


@pytest.mark.parametrize("shaping", [MeanStd(), ClipToDeviation(), MinMax(), ScaledVanilla()], ids=lambda one: one.kind)
def test_statistics_resume_from_json(shaping):
    first, second = BATCH, torch.tensor([-3.0, 0.5, 9.0])
    _, state = shaping.shape(first, None, {})
    before = dict(state)
    whole, _ = shaping.shape(second, None, state)
    resumed, _ = shaping.shape(second, None, json.loads(json.dumps(state)))
    assert torch.equal(whole, resumed)
    assert state == before


@pytest.mark.parametrize("shaping", [MeanStd(), ClipToDeviation(), MinMax(), ScaledVanilla()], ids=lambda one: one.kind)
def test_equal_rewards_make_no_infinity(shaping):
    values, state = shaping.shape(torch.full((4,), 0.1), None, {})
    assert values.isfinite().all()
    assert len(set(values.tolist())) == 1
    assert all(math.isfinite(value) for value in state.values())


def test_min_max_never_narrows():
    _, state = MinMax().shape(BATCH, None, {})
    values, state = MinMax().shape(torch.tensor([3.5]), None, state)
    assert values.tolist() == [0.5]
    assert state == {"lowest": 1.0, "highest": 6.0}


def test_the_initial_scale_stays():
    _, state = ScaledVanilla().shape(BATCH, None, {})
    values, later = ScaledVanilla().shape(100 * BATCH, None, state)
    assert later == state
    assert values[0] == pytest.approx(100 / math.sqrt(3.5))


def test_only_as_many_references_are_read_as_asked_for():
    garbage = torch.cat([REFERENCES, torch.full((1, 2), math.nan)], dim=1)
    for shaping in (PreferenceAsReward(references=3), CentredReward(references=3), Tanh(references=3)):
        assert shaped(shaping, [2.0], garbage) == shaped(shaping, [2.0], REFERENCES)


@pytest.mark.parametrize("shaping", [PreferenceAsReward(), LogSigmoidCentred(), CentredReward(), Arctan()])
@pytest.mark.parametrize("anchors", [None, REFERENCES])
def test_too_few_references_are_named(shaping, anchors):
    with pytest.raises(UserError, match="reads 10 reference rewards"):
        shaping.shape(torch.tensor([2.0]), anchors, {})


def test_anchors_are_needed_only_where_they_are_read():
    assert [PreferenceAsReward().anchors_needed, LogSigmoidCentred().anchors_needed, Tanh().anchors_needed] == [10] * 3
    without = [Tanh(centred=False), Arctan(centred=False), FittedPolynomial(centred=False), Sigmoid(), MeanStd()]
    assert {shaping.anchors_needed for shaping in without} == {0}


@pytest.mark.parametrize("shaping", [one for one, *_ in CURVES] + [FittedPolynomial()])
def test_settings_are_told_apart_by_kind(shaping):
    adapter: TypeAdapter = TypeAdapter(Shaping)
    assert adapter.validate_json(adapter.dump_json(shaping)) == shaping
