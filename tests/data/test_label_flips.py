"""Flipped labels: how many, which, and what else of a pair goes with them."""

import pytest

from tasks.data.flipping import flip_labels
from tasks.data.rows import PairRow, user_prompt
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker

PAIRS = [
    PairRow(
        prompt_id=f"p{index}", prompt=user_prompt("?"), family="f", chosen=f"good {index}", rejected=f"bad {index}",
        chosen_gold=1.0, rejected_gold=-1.0,
    )
    for index in range(400)
]  # fmt: skip


@pytest.fixture
def flip(rlhf_home, tmp_path):
    def flipped(share: float, seed: int = 0, rows=PAIRS) -> list[PairRow]:
        with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
            return read_rows_of(flip_labels(store_rows(rows, "pairs"), share, seed), PairRow)

    return flipped


def turned(rows: list[PairRow]) -> set[str]:
    return {row["prompt_id"] for row in rows if row["chosen"].startswith("bad")}


def test_a_share_is_flipped_and_a_larger_share_flips_those_too(flip):
    few, more = flip(0.25), flip(0.35)
    assert turned(few) < turned(more)
    assert 0.18 < len(turned(few)) / 400 < 0.32
    assert turned(flip(0.25, seed=1)) != turned(few)
    assert all((row["chosen_gold"] == -1.0) == row["chosen"].startswith("bad") for row in few)


def test_no_share_flips_none_and_all_of_them_flip_all(flip):
    assert flip(0.0) == PAIRS
    assert len(turned(flip(1.0))) == 400


def test_pairs_without_gold_stay_without(flip):
    bare = [{key: value for key, value in row.items() if not key.endswith("_gold")} for row in PAIRS]
    assert all(row.keys() == bare[0].keys() for row in flip(0.5, rows=bare))


def test_more_than_all_is_refused(flip):
    with pytest.raises(UserError, match="within 0 and 1"):
        flip(1.5)
