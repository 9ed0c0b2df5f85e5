import math

import numpy as np
import pandas as pd
import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.scores import COLUMNS, align, concat_scores, score_rows, validate_scores


def rows(arm: str, seed: int, values: dict[str, float], metric: str = "gold_reward") -> pd.DataFrame:
    return score_rows(paper="dpo", arm=arm, seed=seed, suite="tldr", metric=metric, values=values)


def test_rows_are_tidy_with_fixed_columns_and_types():
    table = rows("sft", 0, {"p1": 1, "p2": 0.5})
    assert list(table.columns) == COLUMNS
    assert table["seed"].dtype == np.int64
    assert table["value"].dtype == np.float64
    assert table["value"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_names_arm_seed_metric_and_prompt(bad):
    with pytest.raises(UserError, match=r"1 score.*arm 'dpo', seed 3, metric 'kl', prompt_id 'p7'"):
        rows("dpo", 3, {"p1": 0.1, "p7": bad}, metric="kl")


def test_text_where_a_value_belongs_is_refused():
    table = rows("dpo", 0, {"p1": 0.1}).astype({"value": object})
    table.loc[0, "value"] = "high"
    with pytest.raises(UserError, match="not finite"):
        validate_scores(table)


def test_a_missing_column_is_named():
    with pytest.raises(UserError, match="suite"):
        validate_scores(rows("sft", 0, {"p1": 1.0}).drop(columns="suite"))


def test_the_same_arm_and_seed_evaluated_twice_is_refused():
    one = rows("sft", 0, {"p1": 1.0})
    with pytest.raises(UserError, match=r"occur twice.*arm 'sft', seed 0.*prompt_id 'p1'"):
        concat_scores([one, one])
    assert len(concat_scores([one, rows("sft", 1, {"p1": 1.0})])) == 2


def test_no_frames_give_an_empty_valid_table():
    empty = concat_scores([])
    assert list(empty.columns) == COLUMNS
    assert len(concat_scores([empty, rows("sft", 0, {"p1": 1.0})])) == 1


def test_align_pairs_by_prompt_id_and_not_by_position():
    scores = concat_scores([rows("a", 0, {"p2": 2.0, "p1": 1.0}), rows("b", 0, {"p1": 10.0, "p2": 20.0})])
    (a, b), left_out = align(scores, "tldr", [("a", "gold_reward"), ("b", "gold_reward")])
    assert a.columns.tolist() == b.columns.tolist() == ["p1", "p2"]
    assert (a.to_numpy().tolist(), b.to_numpy().tolist()) == ([[1.0, 2.0]], [[10.0, 20.0]])
    assert left_out == ""


def test_align_drops_what_one_arm_lacks_for_all_and_says_so():
    scores = concat_scores(
        [
            rows("a", 0, {"p1": 1.0, "p2": 2.0, "p3": 3.0}),
            rows("a", 1, {"p1": 1.0, "p2": 2.0, "p3": 3.0}),
            rows("b", 0, {"p1": 1.0, "p2": 2.0}),
        ]
    )
    (a, b), left_out = align(scores, "tldr", [("a", "gold_reward"), ("b", "gold_reward")])
    assert a.shape == b.shape == (1, 2)
    assert "seed(s) 1" in left_out
    assert "1 prompt(s)" in left_out


def test_align_names_the_arm_that_is_not_there_and_those_that_are():
    with pytest.raises(UserError, match=r"arm 'ppo' has no 'kl' in suite 'tldr'; arms scored there: sft"):
        align(rows("sft", 0, {"p1": 1.0}), "tldr", [("ppo", "kl")])


def test_align_refuses_arms_without_a_common_seed():
    scores = concat_scores([rows("a", 0, {"p1": 1.0}), rows("b", 1, {"p1": 1.0})])
    with pytest.raises(UserError, match="no seed and prompt in common"):
        align(scores, "tldr", [("a", "gold_reward"), ("b", "gold_reward")])


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 1.5), ("win_rate_vs_sft", -0.1), ("response_tokens", -1.0)])
def test_a_value_its_metric_cannot_take_is_refused(metric, value):
    with pytest.raises(UserError, match=rf"outside their metric's range.*arm 'dpo', seed 0, metric '{metric}'"):
        rows("dpo", 0, {"p1": value}, metric=metric)


def test_a_prompt_that_one_seed_lacks_is_left_out_of_all_seeds():
    scores = concat_scores([rows("a", 0, {"p1": 1.0, "p2": 2.0}), rows("a", 1, {"p1": 3.0})])
    (table,), left_out = align(scores, "tldr", [("a", "gold_reward")])
    assert table.to_numpy().tolist() == [[1.0], [3.0]]
    assert "1 prompt(s)" in left_out


def test_seeds_with_prompts_of_their_own_are_numbered_and_arms_stay_paired():
    def drawn(arm: str, seed: int, names: str, scale: float) -> pd.DataFrame:
        return rows(arm, seed, {name: scale * (place + 1) for place, name in enumerate(names)})

    scores = concat_scores(
        [drawn("a", 0, "abcd", 1.0), drawn("b", 0, "abd", 10.0), drawn("a", 1, "xyz", 1.0), drawn("b", 1, "xyz", 10.0)]
    )
    (a, b), left_out = align(scores, "tldr", [("a", "gold_reward"), ("b", "gold_reward")])
    assert a.to_numpy().tolist() == [[1.0, 2.0, 4.0], [1.0, 2.0, 3.0]]
    assert b.to_numpy().tolist() == [[10.0, 20.0, 30.0], [10.0, 20.0, 30.0]]
    assert a.index.tolist() == [0, 1]
    assert "1 prompt(s)" in left_out
    fewer = concat_scores([drawn("a", 0, "abcd", 1.0), drawn("a", 1, "xy", 1.0)])
    assert align(fewer, "tldr", [("a", "gold_reward")]).tables[0].shape == (2, 2)


def test_prompts_that_are_left_out_here_and_there_do_not_make_seeds_draws_of_their_own():
    scores = concat_scores([rows("a", 0, dict.fromkeys("abcde", 1.0)), rows("a", 1, dict.fromkeys("defgh", 1.0))])
    assert align(scores, "tldr", [("a", "gold_reward")]).tables[0].columns.tolist() == ["d", "e"]
