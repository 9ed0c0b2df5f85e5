import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.win_rate import compare, win_rate_scores


def table(values) -> pd.DataFrame:
    return pd.DataFrame(np.atleast_2d(values))


def test_eight_wins_two_ties_four_losses():
    wins = compare(table([1.0] * 8 + [0.0] * 2 + [-1.0] * 4), table([0.0] * 14))
    assert wins.to_numpy().mean() == pytest.approx(0.64285714)
    assert set(wins.to_numpy().ravel()) == {0.0, 0.5, 1.0}


def test_rounding_in_another_order_of_summation_is_a_tie():
    assert compare(table([0.1 + 0.2]), table([0.3])).to_numpy().item() == 0.5


rewards = arrays(np.float64, (2, 6), elements=st.integers(-3, 3).map(float))


@given(rewards, rewards)
def test_a_beats_b_as_often_as_b_loses_to_a(a, b):
    forward, backward = compare(table(a), table(b)), compare(table(b), table(a))
    assert np.array_equal(forward.to_numpy() + backward.to_numpy(), np.ones((2, 6)))


@given(rewards, st.integers(1, 30))
def test_more_ties_move_the_win_rate_to_one_half(a, ties):
    base = np.zeros_like(a)
    before = abs(compare(table(a), table(base)).to_numpy().mean() - 0.5)
    padded = np.hstack([a, np.zeros((2, ties))])
    after = abs(compare(table(padded), table(np.zeros_like(padded))).to_numpy().mean() - 0.5)
    assert after <= before * 6 / (6 + ties) + 1e-12


def test_win_rate_rows_are_paired_on_prompt_and_seed():
    parts = [
        score_rows(paper="p", arm=arm, seed=seed, suite="s", metric="gold_reward", values=values)
        for arm, seed, values in (
            ("dpo", 0, {"x": 1.0, "y": 0.0}),
            ("sft", 0, {"y": 0.0, "x": 2.0}),
            ("dpo", 1, {"x": 5.0, "y": 1.0}),
            ("sft", 1, {"x": 1.0, "y": 0.0}),
        )
    ]
    wins = win_rate_scores(concat_scores(parts), "dpo", "sft", "s")
    assert set(wins["metric"]) == {"win_rate_vs_sft"}
    assert set(wins["arm"]) == {"dpo"}
    found = wins.set_index(["seed", "prompt_id"])["value"].to_dict()
    assert found == {(0, "x"): 0.0, (0, "y"): 0.5, (1, "x"): 1.0, (1, "y"): 1.0}
