"""Cache keys: every field of an input counts, nothing else does, and what has no stable digest is refused."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tasks.engine.caching import canonical, key_parts, stage_key
from tasks.engine.code_digest import module_digest
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef
from tasks.engine.schema import Frozen
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.stages import optimise_preferences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


class Shown(Frozen):
    seed: int = 0
    title: str = Field("", json_schema_extra={"presentation": True})


class Tricky(Frozen):
    code: str = ""
    model: str = ""


def compute(value: object) -> None:
    """What keys are asked for here; its body does not matter."""


def key(value: object) -> str:
    return stage_key(compute, {"value": value})


def other(value: object) -> object:
    """A value of the same type that is another one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, BaseModel):
        name = next(iter(type(value).model_fields))
        return value.model_copy(update={name: other(getattr(value, name))})
    if isinstance(value, list):
        return [*value, "more"]
    return value + 1 if isinstance(value, int | float) else f"{value}'"


@given(JSON)
def test_equal_values_have_equal_keys(value):
    assert key(value) == key(copy.deepcopy(value))


@given(st.dictionaries(st.text(max_size=5), st.integers(), min_size=2, max_size=5))
def test_the_order_of_a_mapping_does_not_count(mapping):
    assert key(mapping) == key(dict(reversed(mapping.items())))


def test_values_that_differ_have_keys_that_differ():
    values = [0, 1, 1.0, True, "1", None, "", [1], [[1]], {"a": 1}, {"a": [1]}, {"b": 1}, [1, 2], [2, 1], 1 + 2**-52]
    assert len({key(value) for value in values}) == len(values)


@pytest.mark.parametrize("name", sorted(PreferenceTraining.model_fields))
def test_every_field_of_a_training_configuration_counts_except_how_often_it_is_saved(name):
    training = PreferenceTraining()
    changed = training.model_copy(update={name: other(getattr(training, name))})
    assert (key(changed) == key(training)) == (name == "checkpoint_every_steps")


def test_every_argument_counts_by_name():
    assert stage_key(compute, {"a": 1, "b": 2}) == stage_key(compute, {"b": 2, "a": 1})
    assert stage_key(compute, {"a": 1, "b": 2}) != stage_key(compute, {"a": 2, "b": 1})


def test_a_reference_counts_by_its_digest_alone():
    first = DatasetRef(digest="a" * 64, made_by="x", name="n", rows=1)
    assert key(first) == key(DatasetRef(digest="a" * 64))
    assert key(first) != key(DatasetRef(digest="b" * 64))
    assert key(first) != key(Checkpoint(digest="a" * 64))


def test_references_inside_models_count():
    series = [CheckpointSeries(steps=[1], checkpoints=[Checkpoint(digest=digit * 64)]) for digit in "ab"]
    assert key(series[0]) != key(series[1])


def test_presentation_does_not_count():
    assert key(Shown(title="one")) == key(Shown(title="two"))
    assert key(Shown(seed=0)) != key(Shown(seed=1))


def test_an_objective_brings_the_code_of_its_formula():
    assert canonical(DPO())["code"] == module_digest("tasks.policy.objectives.dpo")
    assert canonical(DPO())["code"] != canonical(IPO())["code"]


def test_fields_do_not_hide_the_class_and_its_code():
    assert canonical(Tricky(code="x", model="y"))["code"] == module_digest(Tricky.__module__)
    assert canonical(Tricky(code="x", model="y"))["model"] == "Tricky"
    assert key(Tricky(code="x")) != key(Tricky(model="x")) != key(Tricky())


def test_code_and_libraries_are_part_of_the_key():
    parts = key_parts(optimise_preferences.fn.__wrapped__, {"seed": 0})
    assert parts["libraries"]["torch"] == torch.__version__
    assert len(parts["code"]) == 64
    assert parts["stage"] == "tasks.policy.stages:optimise_preferences"


@pytest.mark.parametrize("value", [torch.zeros(2), torch.nn.Linear(1, 1), {1, 2}, b"bytes", object(), iter([])])
def test_what_has_no_stable_digest_is_refused(value):
    with pytest.raises(TypeError, match=r"pass a reference or a frozen model"):
        key([value])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        key({"beta": value})
