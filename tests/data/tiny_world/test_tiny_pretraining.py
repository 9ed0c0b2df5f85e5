"""The pretraining mixture: proportions, copying examples, order, and nothing from the held-out splits."""

from collections import Counter

import pytest

from tasks.data.tiny_world import FAMILIES, prompt_text, split_of
from tasks.data.tiny_world.pretraining import (
    COPYING,
    FAMILY_WEIGHTS,
    copy_rows,
    curriculum,
    pretraining_rows,
)


def test_families_come_in_their_proportions():
    rows = pretraining_rows(6000, 0)
    counts = Counter(row["family"] for row in rows)
    total = sum(FAMILY_WEIGHTS.values())
    assert set(FAMILY_WEIGHTS) == set(FAMILIES)
    for name, weight in FAMILY_WEIGHTS.items():
        assert counts[name] / len(rows) == pytest.approx(weight / total, abs=0.025)


def test_demonstrations_have_slips_but_no_wrong_habits():
    rows = [row for row in pretraining_rows(8000, 0) if row["family"] == "gsm"]
    right = [FAMILIES["gsm"].verify(prompt_text(row), row["response"]) for row in rows]
    habitual = [ok for ok, row in zip(right, rows, strict=True) if "doubles" in prompt_text(row)]
    assert sum(right) / len(right) == pytest.approx(0.9**2.5, abs=0.05)
    assert sum(habitual) / len(habitual) == pytest.approx(0.9**2.5, abs=0.06)


def test_copies_can_be_answered_from_their_prompt():
    kinds = Counter()
    for row in copy_rows(900, 0):
        head, _, tail = prompt_text(row).partition(" : ")
        listed, answer = tail.split(), row["response"].split()
        assert 4 <= len(set(listed)) == len(listed) <= 14
        kinds[head.split()[0] + " from" * ("from" in head.split()[1:2])] += 1
        if head == "backwards":
            assert answer == listed[::-1]
        elif head == "echo":
            assert answer == listed
        else:
            assert answer == listed[listed.index(head.split()[-1]) :]
            assert 2 <= len(answer) < len(listed)
    assert set(kinds) == {"echo", "echo from", "backwards"}
    assert min(kinds.values()) > 240


def test_copying_fills_half_of_the_first_part_only():
    rows = curriculum(4000, 0)
    copying = [row["family"] == COPYING for row in rows]
    assert len(rows) == 4000
    assert sum(copying[:1200]) / 1200 == pytest.approx(0.5, abs=0.05)
    assert not any(copying[1200:])


def test_held_out_prompts_never_occur_and_seeds_matter():
    rows = curriculum(3000, 1)
    assert {split_of(prompt_text(row)) for row in rows} == {"train"}
    assert rows == curriculum(3000, 1)
    assert rows != curriculum(3000, 2)
