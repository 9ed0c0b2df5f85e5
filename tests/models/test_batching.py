from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.models.batching import pad_right, plan_batches, plan_scoring

lengths = st.lists(st.integers(1, 200), min_size=1, max_size=150)


@given(lengths, st.integers(1, 12), st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 9))
def test_every_example_once_an_epoch_in_full_batches(lengths, batch_size, seed, epochs, chunk):
    if len(lengths) < batch_size:
        with pytest.raises(UserError, match="cannot fill a batch"):
            plan_batches(lengths, batch_size, seed, epochs, chunk)
        return
    plan = plan_batches(lengths, batch_size, seed, epochs, chunk)
    per_epoch = len(lengths) // batch_size
    assert len(plan) == epochs * per_epoch
    assert all(len(batch) == batch_size for batch in plan)
    for epoch in range(epochs):
        seen = Counter(index for batch in plan[epoch * per_epoch :][:per_epoch] for index in batch)
        assert max(seen.values()) == 1
        assert len(seen) == per_epoch * batch_size
    assert plan == plan_batches(lengths, batch_size, seed, epochs, chunk)


def test_plan_changes_with_seed_and_epoch_and_saves_padding():
    lengths = np.random.default_rng(0).integers(10, 100, 640).tolist()
    plan = plan_batches(lengths, 16, seed=1, epochs=2, chunk_batches=32)
    first, second = plan[:40], plan[40:]
    assert {frozenset(batch) for batch in first}.isdisjoint(frozenset(batch) for batch in second)
    assert plan != plan_batches(lengths, 16, seed=2, epochs=2, chunk_batches=32)
    padded = sum(16 * max(lengths[index] for index in batch) for batch in first)
    unsorted = sum(16 * max(lengths[start : start + 16]) for start in range(0, 640, 16))
    assert padded < 1.05 * sum(lengths) < 0.7 * unsorted
    tops = [max(lengths[index] for index in batch) for batch in first]
    assert abs(np.corrcoef(tops, range(40))[0, 1]) < 0.5


def test_left_out_examples_change_with_the_epoch():
    plan = plan_batches([1] * 11, 4, seed=0, epochs=20)
    epochs = [plan[start : start + 2] for start in range(0, 40, 2)]
    left_out = Counter(i for epoch in epochs for i in set(range(11)) - {i for batch in epoch for i in batch})
    assert len(left_out) == 11


@given(lengths, st.integers(1, 500))
def test_scoring_plan_covers_all_within_the_budget(lengths, max_tokens):
    plan = plan_scoring(lengths, max_tokens)
    assert sorted(index for batch in plan for index in batch) == list(range(len(lengths)))
    tops = [lengths[batch[0]] for batch in plan]
    assert tops == sorted(tops, reverse=True)
    for batch in plan:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= max_tokens


def test_pad_right():
    ids, mask = pad_right([[5, 6, 7], [8]], pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]
