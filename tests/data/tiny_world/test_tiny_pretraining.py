"""The pretraining mixture: proportions, copying examples, order, and nothing from the held-out splits."""

from collections import Counter

import pytest

from tasks.data.tiny_world import FAMILIES, prompt_text, split_of
from tasks.data.tiny_world.copying import NAME, copy_rows
from tasks.data.tiny_world.pretraining import FAMILY_WEIGHTS, curriculum, pretraining_rows


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


def _kind(row):
    return prompt_text(row).split()[0]


def _body(row):
    return prompt_text(row).partition(" : ")[2]


def test_copies_begin_whole_and_then_come_in_their_proportions():
    kinds = [_kind(row) for row in copy_rows(3000, 0)]
    later = Counter(kinds[1000:])
    assert set(kinds[:1000]) == {"echo"}
    assert {kind: later[kind] / 2000 for kind in later} == pytest.approx(
        {"echo": 0.20, "backwards": 0.15, "pieces": 0.30, "facts": 0.35}, abs=0.04
    )


def test_lists_are_copied_whole_backwards_and_in_pieces():
    for row in copy_rows(900, 0):
        listed, answer = _body(row).split(), row["response"].split()
        if _kind(row) != "facts":
            assert 4 <= len(set(listed)) == len(listed) <= 14
        if _kind(row) == "echo":
            assert answer == listed
        if _kind(row) == "backwards":
            assert answer == listed[::-1]
        if _kind(row) == "pieces":
            pieces = row["response"].split(" ; ")
            assert len(pieces) == 4
            assert all(f" {piece} " in f" {_body(row)} " and " " in piece for piece in pieces)


def test_facts_are_triples_between_two_fillers_told_in_order():
    rows = [row for row in copy_rows(900, 0) if _kind(row) == "facts"]
    for row in rows:
        words = _body(row).split()
        sentences = [words[start : start + 6] for start in range(0, len(words), 6)]
        assert 3 <= len(sentences) <= 5
        assert len({(filler, second) for filler, _, _, second, _, _ in sentences}) == 1
        triples = [f"{a} {b} {c}" for _, a, b, _, c, _ in sentences]
        assert {stop for *_, stop in sentences} == {"."}
        told = [triples.index(triple) for triple in row["response"].split(" ; ")]
        assert told == sorted(set(told))


def test_copying_fills_half_of_the_first_part_only():
    rows = curriculum(4000, 0)
    copying = [row["family"] == NAME for row in rows]
    assert len(rows) == 4000
    assert sum(copying[:1200]) / 1200 == pytest.approx(0.5, abs=0.05)
    assert not any(copying[1200:])


def test_held_out_prompts_never_occur_and_seeds_matter():
    rows = curriculum(3000, 1)
    assert {split_of(prompt_text(row)) for row in rows} == {"train"}
    assert rows == curriculum(3000, 1)
    assert rows != curriculum(3000, 2)
