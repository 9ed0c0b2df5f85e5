"""Start states: the prefix law of DR-PO's card, and what a share of 0 leaves alone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tasks.policy.steps.starts import DatasetReset, FromPrompt, PolicyRollIn, StartStates

LENGTHS = st.lists(st.integers(0, 60), max_size=30)


def drawn(start, lengths, seed=0):
    return start.prefix_lengths(lengths, np.random.default_rng(seed))


@pytest.mark.parametrize(("include_prompt", "allowed"), [(False, [1, 2, 3]), (True, [0, 1, 2, 3])])
@pytest.mark.parametrize("kind", [DatasetReset, PolicyRollIn])
def test_prefixes_are_uniform_below_the_length(kind, include_prompt, allowed):
    counts = Counter(drawn(kind(share=1.0, include_prompt=include_prompt), [4] * 12_000))
    assert sorted(counts) == allowed
    assert all(abs(count / 12_000 - 1 / len(allowed)) < 0.02 for count in counts.values())


@given(LENGTHS, st.floats(0.0, 1.0), st.booleans(), st.integers(0, 99))
def test_a_prefix_leaves_a_token_to_generate(lengths, share, include_prompt, seed):
    prefixes = drawn(DatasetReset(share=share, include_prompt=include_prompt), lengths, seed)
    assert len(prefixes) == len(lengths)
    assert all(0 <= prefix <= max(0, length - 1) for prefix, length in zip(prefixes, lengths, strict=True))
    assert all(type(prefix) is int for prefix in prefixes)


@pytest.mark.parametrize("start", [FromPrompt(), DatasetReset(share=0.0), PolicyRollIn(share=0.0)])
def test_a_share_of_zero_is_plain_ppo_and_draws_nothing(start):
    rng = np.random.default_rng(3)
    assert start.prefix_lengths([5, 9, 2], rng) == [0, 0, 0]
    assert rng.random() == np.random.default_rng(3).random()


@given(LENGTHS, st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.integers(0, 99))
def test_resets_of_a_smaller_share_are_among_those_of_a_larger(lengths, one, other, seed):
    few = drawn(DatasetReset(share=min(one, other)), lengths, seed)
    many = drawn(DatasetReset(share=max(one, other)), lengths, seed)
    assert all(a in (0, b) for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("include_prompt", [False, True])
def test_references_of_less_than_two_tokens_are_never_used(include_prompt):
    assert drawn(DatasetReset(include_prompt=include_prompt), [0, 1] * 50) == [0] * 100


def test_share_is_how_many_rows_are_reset():
    prefixes = drawn(DatasetReset(share=0.25), [30] * 20_000)
    assert sum(prefix > 0 for prefix in prefixes) / 20_000 == pytest.approx(0.25, abs=0.01)


def test_settings_are_told_apart_by_kind():
    read = TypeAdapter(StartStates).validate_python
    assert read({"kind": "dataset_reset", "share": 0.5}) == DatasetReset(share=0.5)
    sources = [read({"kind": kind}).prefix_source for kind in ("prompt", "dataset_reset", "policy_roll_in")]
    assert sources == ["none", "data", "reference_policy"]
    with pytest.raises(ValidationError):
        DatasetReset(share=1.5)
