"""Pairs made of samples: which two are compared, and labels by a reward function."""

import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.data.tiny_world import FAMILIES, prompt_text, sample_prompts, score
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow, store_samples
from tasks.reward.pair_choice import choose_pairs, most_different
from tasks.reward.preference_labels import label_by_reward
from tasks.reward.scoring import read_rewards, store_rewards
from tasks.reward.sources import CodeTestsReward, GoldReward
from tasks.reward.true_rewards import take_as_truth

CONFIG = ModelConfig()
WORDS = st.lists(st.sampled_from("abc"), max_size=5)


@pytest.fixture(autouse=True)
def tracked(rlhf_home):
    with stage_tracker(rlhf_home / "stage.jsonl", rlhf_home / "work"):
        yield


def sampled(family, answers):
    """One prompt an entry of ``answers``, with those responses."""
    prompts = sample_prompts(family, "train", len(answers), seed=0)
    rows = [
        SampleRow(**prompt, sample=number, response=text, ids=[5], finished=True, log_prob=-1.0)
        for prompt, texts in zip(prompts, answers, strict=True)
        for number, text in enumerate(texts)
    ]
    return prompts, store_samples(rows)


def distance(one, other):
    """Levenshtein's recursion, written out."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        distance(one[1:], other) + 1,
        distance(one, other[1:]) + 1,
        distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


@given(st.lists(WORDS, min_size=2, max_size=4))
def test_no_two_responses_differ_more_than_the_chosen_ones(responses):
    first, second = most_different(responses)
    assert 0 <= first < second < len(responses)
    largest = max(distance(one, other) for one, other in itertools.combinations(responses, 2))
    assert distance(responses[first], responses[second]) == largest


def test_of_equally_different_responses_the_first_are_taken():
    assert most_different([["a"], ["b"], ["c"]]) == (0, 1)
    with pytest.raises(ValueError, match="two responses, there are 1"):
        most_different([["a"]])


def test_two_of_each_prompt_s_samples_remain_as_they_were():
    prompts, samples = sampled("tldr", [["a b c", "a b d", "x y z", "a b c"], ["only one"], ["p", "q q q", "p p"]])
    for choice, numbers in {"max_edit_distance": [0, 2, 0, 1], "first_two": [0, 1, 0, 1]}.items():
        rows = read_rows_of(choose_pairs(samples, choice), SampleRow)
        assert [row["sample"] for row in rows] == numbers
        assert [row["prompt_id"] for row in rows] == [prompts[place]["prompt_id"] for place in (0, 0, 2, 2)]
        assert rows[0]["log_prob"] == -1.0


def test_the_best_sample_is_chosen_and_the_worst_rejected():
    prompts = sample_prompts("gsm", "train", 3, seed=0)
    right = [FAMILIES["gsm"].solve(prompt_text(row)) for row in prompts]
    answers = [["wrong", right[0], "worse"], ["no", "neither"], [right[2], "never", right[2]]]
    _, samples = sampled("gsm", answers)
    rows = read_rows_of(label_by_reward(samples, GoldReward(), [], CONFIG), PairRow)
    assert [row["prompt_id"] for row in rows] == [prompts[0]["prompt_id"], prompts[2]["prompt_id"]], "ties are left out"
    assert [(row["chosen"], row["rejected"]) for row in rows] == [(right[0], "wrong"), (right[2], "never")]
    assert [(row["chosen_gold"], row["rejected_gold"]) for row in rows] == [(1.0, 0.0)] * 2
    assert score(prompts[:1], [rows[0]["chosen"]], [True])[0].reward == 1.0


def test_where_nothing_can_be_told_apart_it_says_so():
    _, samples = sampled("gsm", [["a", "b"], ["c", "d"]])
    with pytest.raises(UserError, match="no pair is left to learn from: 2 prompts have samples of one reward"):
        label_by_reward(samples, GoldReward(), [], CONFIG)


def test_programs_are_labelled_by_running_them():
    try:
        require_isolation(Limits())
    except UserError as error:
        pytest.skip(str(error))
    prompts = sample_prompts("code", "train", 2, seed=0)
    right = [FAMILIES["code"].solve(prompt_text(row)) for row in prompts]
    _, samples = sampled("code", [["return 0", right[0]], [right[1], "return [ ]"]])
    rows = read_rows_of(label_by_reward(samples, CodeTestsReward(), [], CONFIG), PairRow)
    assert [(row["chosen"], row["rejected"]) for row in rows] == [(right[0], "return 0"), (right[1], "return [ ]")]


def test_another_reward_takes_the_place_of_the_true_one():
    table = pd.DataFrame({"prompt_id": ["a", "a", "b"], "sample": [0, 1, 0], "reward": [0.1, 0.2, 0.3]})
    proxy = store_rewards(table.assign(gold_reward=9.0))
    truth = store_rewards(table.assign(reward=[1.0, 0.0, 1.0], gold_reward=7.0).iloc[::-1])
    found = read_rewards(take_as_truth(proxy, truth))
    assert found["reward"].tolist() == [0.1, 0.2, 0.3]
    assert found["gold_reward"].tolist() == [1.0, 0.0, 1.0]
