"""Experience: ids and masks of rollouts, rows selected, split and kept."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tasks.data.rows import PromptRow, user_prompt
from tasks.policy.experience import PADDING, Experience, experience_of, from_state, minibatches
from tasks.policy.rollouts import Rollout

CPU = torch.device("cpu")


def rollout(prompt_id: str, prompt: list[int], ids: list[int], forced: int = 0) -> Rollout:
    return Rollout(PromptRow(prompt_id=prompt_id, prompt=user_prompt("x"), family="f"), prompt, ids, forced, True, "")


THREE = [rollout("a", [1, 2], [5, 6, 7], 1), rollout("a", [1, 2], [8]), rollout("b", [3], [9, 4], 2)]


def columns(experience: Experience) -> dict[str, Tensor]:
    return {field.name: getattr(experience, field.name) for field in fields(experience)}


def filled(lengths: list[int], per_prompt: int = 1) -> Experience:
    """Responses of given lengths with a number of their own in every tensor."""
    rollouts = [
        rollout(str(row // per_prompt), [1] * (row // per_prompt % 3 + 1), [row + 1] * length)
        for row, length in enumerate(lengths)
    ]
    empty = experience_of(rollouts, CPU)
    marks = torch.arange(len(lengths)).float()
    values = marks[:, None].expand(empty.mask.shape).where(empty.mask, 0.0)
    return replace(
        empty, scores=marks, old_log_probs=values, reference_log_probs=2 * values, values=3 * values,
        advantages=4 * values, returns=5 * values,
    )  # fmt: skip


def test_ids_and_masks_of_rollouts():
    found = experience_of(THREE, CPU)
    assert found.prompt_ids.tolist() == [[1, 2], [1, 2], [3, PADDING]]
    assert found.response_ids.tolist() == [[5, 6, 7], [8, PADDING, PADDING], [9, 4, PADDING]]
    assert found.groups.tolist() == [0, 0, 1]
    assert found.mask.tolist() == [[True] * 3, [True, False, False], [True, True, False]]
    assert found.forced.tolist() == [[True, False, False], [False] * 3, [True, True, False]]
    assert found.trainable.tolist() == [[False, True, True], [True, False, False], [False] * 3]
    assert found.segments.tolist() == [[0, 1, 2], [0, -1, -1], [0, 1, -1]]


def test_neighbours_with_one_prompt_are_encoded_together():
    groups = experience_of(THREE, CPU).encoded()
    assert [tuple(group) for group in groups] == [([1, 2], [[5, 6, 7], [8]]), ([3], [[9, 4]])]


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8), draw=st.data())
def test_selected_rows_are_as_wide_as_what_is_scored_of_them(lengths, draw):
    whole = filled(lengths)
    rows = draw.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
    part = whole.select(torch.tensor(rows))
    longest = max(lengths[row] for row in rows)
    assert part.mask.shape == part.old_log_probs.shape == part.segments.shape == (len(rows), longest)
    assert part.mask.sum(-1).tolist() == [lengths[row] for row in rows]
    assert [response for group in part.encoded() for response in group.responses] == [
        [row + 1] * lengths[row] for row in rows
    ]
    assert part.scores.tolist() == [float(row) for row in rows]
    assert part.returns[:, 0].tolist() == [5.0 * row for row in rows]


def test_all_rows_selected_are_the_same_rows():
    whole = filled([2, 5, 1])
    for name, values in columns(whole.select(torch.arange(3))).items():
        assert torch.equal(values, getattr(whole, name)), name


@given(prompts=st.integers(1, 7), per_prompt=st.integers(1, 3), count=st.integers(1, 9), seed=st.integers(0, 9))
def test_minibatches_hold_every_row_once_and_prompts_whole(prompts, per_prompt, count, seed):
    whole = filled([row % 4 + 1 for row in range(prompts * per_prompt)], per_prompt)
    parts = minibatches(whole, count, torch.Generator().manual_seed(seed))
    assert len(parts) == min(count, prompts)
    rows = [row for part in parts for row in part.scores.tolist()]
    assert sorted(rows) == whole.scores.tolist()
    groups = [set(part.groups.tolist()) for part in parts]
    assert all(groups)
    assert sum(map(len, groups)) == prompts


def test_minibatches_are_shuffled_by_their_generator():
    whole = filled([1] * 12)
    drawn = [
        [part.scores.tolist() for part in minibatches(whole, 4, torch.Generator().manual_seed(seed))]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_rows_that_a_filter_repeats_stay_in_one_minibatch():
    whole = filled([1, 2, 3, 2], per_prompt=2).select(torch.tensor([0, 0, 1, 3, 3, 3]))
    parts = minibatches(whole, 2, torch.Generator().manual_seed(0))
    assert sorted(part.scores.tolist() for part in parts) == [[0.0, 0.0, 1.0], [3.0, 3.0, 3.0]]


@pytest.mark.parametrize("prefix", ["0", "batch/3"])
def test_kept_and_read_back(prefix):
    whole = filled([3, 1])
    back = from_state(whole.state(prefix) | {"other/mask": torch.zeros(1)}, prefix)
    for name, values in columns(back).items():
        assert torch.equal(values, getattr(whole, name)), name
        assert values.dtype == getattr(whole, name).dtype
    assert torch.equal(back.to(CPU).mask, whole.mask)
