"""Labels follow the Bradley-Terry model; pairs do not depend on the order of anything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tasks.data.bradley_terry import Answer, label, preference_pairs
from tasks.data.tiny_world import demonstrations, prompt_text, sample_prompts, score
from tasks.data.tiny_world.instruct import judge
from tasks.engine.schema import UserError


@pytest.mark.parametrize("difference", [-1.0, -0.2, 0.0, 0.5, 1.3])
@pytest.mark.parametrize("flip", [0.0, 0.25])
def test_label_frequencies_follow_the_sigmoid(difference, flip):
    n, temperature = 4000, 0.5
    drawn = label(np.full(n, 3 + difference), np.full(n, 3.0), temperature, flip, np.random.default_rng(0))
    clean = 1 / (1 + np.exp(-difference / temperature))
    expected = clean * (1 - flip) + (1 - clean) * flip
    assert binomtest(int(drawn.sum()), n, expected).pvalue > 1e-3
    assert binomtest(int(drawn.sum()), n, expected + 0.06 * (1 if expected < 0.5 else -1)).pvalue < 1e-3


def test_no_temperature_means_the_order_itself_with_coin_tosses_on_ties():
    rng = np.random.default_rng(0)
    ordered = label([1.0, 0.0, 1e-9], [0.0, 1.0, 0.0], 0, 0, rng)
    assert ordered.tolist() == [True, False, True]
    assert label([1.0, 0.0], [0.0, 1.0], 0, 1, rng).tolist() == [False, True]
    ties = label(np.zeros(2000), np.zeros(2000), 0, 0, rng)
    assert binomtest(int(ties.sum()), 2000, 0.5).pvalue > 1e-3


@pytest.mark.parametrize(("temperature", "flip"), [(-0.1, 0), (1, 1.5), (1, -0.1)])
def test_impossible_noise_is_refused(temperature, flip):
    with pytest.raises(UserError, match="temperature"):
        label([1], [0], temperature, flip, np.random.default_rng(0))


def _answers(seed, rewarder="gold", family="instruct", n=400):
    prompts = sample_prompts(family, "train", n, 0)
    samples = []
    for draw in (seed, seed + 1):
        responses = [row["response"] for row in demonstrations(prompts, draw)]
        golds = score(prompts, responses, [True] * n)
        rewards = [
            judge(prompt_text(prompt), response, True) if rewarder == "judge" else gold.reward
            for prompt, response, gold in zip(prompts, responses, golds, strict=True)
        ]
        samples.append([Answer(text, r, g.reward) for text, r, g in zip(responses, rewards, golds, strict=True)])
    return prompts, list(zip(*samples, strict=True))


def test_identical_answers_are_left_out_and_counted():
    prompts, answers = _answers(0)
    same = sum(a.response == b.response for a, b in answers)
    pairs = preference_pairs(prompts, answers, 0.5, 0.0, 0)
    assert 0 < same == pairs.identical
    assert len(pairs.rows) == len(prompts) - same
    assert all(row["chosen"] != row["rejected"] for row in pairs.rows)


@given(st.randoms(use_true_random=False), st.integers(0, 100))
@settings(deadline=None, max_examples=60)
def test_neither_row_order_nor_answer_order_changes_a_label(shuffler, seed):
    prompts, answers = _answers(0, n=25)
    expected = preference_pairs(prompts, answers, 0.5, 0.25, seed)
    order = list(range(len(prompts)))
    shuffler.shuffle(order)
    swapped = [tuple(shuffler.sample(answers[i], 2)) for i in order]
    shuffled = preference_pairs([prompts[i] for i in order], swapped, 0.5, 0.25, seed)
    key = {row["prompt_id"]: row for row in expected.rows}
    assert {row["prompt_id"]: row for row in shuffled.rows} == key


def test_the_same_answers_to_other_prompts_are_labelled_afresh():
    prompts = sample_prompts("gsm", "train", 300, 0)
    answers = [(Answer("yes", 1.0, 1.0), Answer("no", 1.0, 1.0))] * len(prompts)
    rows = preference_pairs(prompts, answers, 0.5, 0.0, 0).rows
    assert binomtest(sum(row["chosen"] == "yes" for row in rows), len(rows), 0.5).pvalue > 1e-3


def test_temperature_half_agrees_with_gold_as_often_as_the_design_measured():
    prompts, answers = _answers(0, family="tldr", n=2000)
    rows = preference_pairs(prompts, answers, 0.5, 0.0, 0).rows
    apart = [row for row in rows if row["chosen_gold"] != row["rejected_gold"]]
    agree = sum(row["chosen_gold"] > row["rejected_gold"] for row in apart) / len(apart)
    assert 0.85 < agree < 0.95
    noisy = preference_pairs(prompts, answers, 0.5, 0.25, 0).rows
    apart = [row for row in noisy if row["chosen_gold"] != row["rejected_gold"]]
    agree_noisy = sum(row["chosen_gold"] > row["rejected_gold"] for row in apart) / len(apart)
    assert agree_noisy == pytest.approx(agree * 0.75 + (1 - agree) * 0.25, abs=0.04)


def test_the_judge_s_labels_prefer_longer_answers_than_gold_labels():
    def excess(rewarder):
        rows = preference_pairs(*_answers(0, rewarder, n=2000), 0.5, 0.0, 0).rows
        return np.mean([len(row["chosen"].split()) - len(row["rejected"].split()) for row in rows])

    assert excess("judge") > excess("gold") + 0.8


def test_the_seed_redraws_labels():
    prompts, answers = _answers(0)
    first, second = (preference_pairs(prompts, answers, 0.5, 0.0, seed).rows for seed in (0, 1))
    changed = sum(a["chosen"] != b["chosen"] for a, b in zip(first, second, strict=True))
    assert 0.1 < changed / len(first) < 0.45
