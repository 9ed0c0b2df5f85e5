"""Shifted test pairs: demonstrators' answers in the order of the true reward, ties left out."""

import pytest

from tasks.data.rows import PairRow
from tasks.data.shifts import compare_demonstrations, leave_out_ties
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import sample_prompts, score
from tasks.data.world import TinyWorld
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker


@pytest.fixture(autouse=True)
def tracked(rlhf_home):
    with stage_tracker(rlhf_home / "stage.jsonl", rlhf_home / "work"):
        yield


@pytest.mark.parametrize("family", ["tldr", "hh", "instruct"])
def test_demonstrations_are_compared_by_the_true_reward(family):
    prompts = sample_prompts(family, "eval", 60, seed=0)
    world = TinyWorld(family=family, label_temperature=0.0)
    rows = read_rows_of(leave_out_ties(compare_demonstrations(store_rows(prompts, "p"), world, seed=0)), PairRow)
    assert len(rows) > 10
    golds = [
        [one.reward for one in score(rows, [row[side] for row in rows], [True] * len(rows))]
        for side in ("chosen", "rejected")
    ]
    assert golds == [[row[f"{side}_gold"] for row in rows] for side in ("chosen", "rejected")]
    assert all(row["chosen_gold"] > row["rejected_gold"] for row in rows)


def test_another_seed_draws_other_answers():
    prompts = store_rows(sample_prompts("tldr", "eval", 20, seed=0), "p")
    first, again, other = (compare_demonstrations(prompts, TinyWorld(), seed).digest for seed in (0, 0, 1))
    assert first == again != other


def test_ties_are_left_out_and_pairs_without_a_true_reward_kept():
    prompt = sample_prompts("tldr", "eval", 1, seed=0)[0]
    tie = PairRow(**prompt, chosen="a", rejected="b", chosen_gold=1.0, rejected_gold=1.0)
    known = PairRow(**prompt, chosen="a", rejected="b", chosen_gold=2.0, rejected_gold=1.0)
    bare = PairRow(**prompt, chosen="a", rejected="b")
    assert leave_out_ties(store_rows([tie, known], "pairs")).rows == 1
    assert leave_out_ties(store_rows([bare, bare], "pairs")).rows == 2
    with pytest.raises(UserError, match="none of 1 pairs differs in gold reward"):
        leave_out_ties(store_rows([tie], "pairs"))
