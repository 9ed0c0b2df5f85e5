"""Who says which response is better: rewards with a length penalty, pairwise judges in both orders, the policy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reinforced import MODEL, reward_model

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.generation import SampleRow
from tasks.models.opening import open_policy
from tasks.policy.fresh.choices import BestWorst
from tasks.policy.fresh.judging import (
    Answered,
    ImplicitJudge,
    PairwiseModelJudge,
    RewardJudge,
    open_judge,
    preferences,
)
from tasks.policy.fresh.labellers import ImplicitLabels, PairwiseLabels, RewardLabels
from tasks.reward.objectives.pairwise_judge import win_probability
from tasks.reward.pairwise import HEAD, ordered
from tasks.reward.sources import FittedReward, GoldReward
from tasks.reward.storing import RewardCard, open_reward, store_reward

REWARDS, CHARACTERS = [2.0, 1.5, 1.9, 0.2], [900, 300, 500, 100]


class Listed:
    """A reward function that gives the numbers it was made with."""

    def __init__(self, rewards):
        self.rewards = rewards

    def score(self, batch):
        return {"reward": self.rewards[: len(batch)]}


def answered(tokenizer, texts: list[str], prompt_id: str = "p") -> Answered:
    prompt = user_prompt("list 2 colors .")
    rows = [
        SampleRow(
            prompt_id=prompt_id, prompt=prompt, family="x", sample=place, response=text,
            ids=encode_response(tokenizer, text), finished=True, log_prob=0.0,
        )
        for place, text in enumerate(texts)
    ]  # fmt: skip
    return Answered(encode_prompt(tokenizer, prompt), rows)


@pytest.fixture(scope="module")
def opened(drawing_bench):
    return open_policy(drawing_bench.base, MODEL)


def pairwise_judge(base, seed: int = 0, fill: float | None = None):
    """A pairwise judge that nobody fitted."""
    opened = open_reward(reward_model(base, seed, fill), MODEL)
    card = RewardCard.model_validate(opened.card.model_dump() | {"heads": [HEAD]})
    policy, tokenizer = open_policy(base, MODEL)
    return store_reward(opened.network, policy, tokenizer, card)


@pytest.mark.parametrize(
    ("penalty", "penalised", "pair"),
    [
        (0.0, [2.0, 1.5, 1.9, 0.2], (0, 3)),
        (0.001, [1.1, 1.2, 1.4, 0.1], (2, 3)),
        (0.003, [-0.7, 0.6, 0.4, -0.1], (1, 0)),
    ],
)
def test_the_length_penalty_of_rlhf_workflow_orients_the_pair_too(opened, penalty, penalised, pair):
    """The card's numbers; the official code picks by penalised reward and orients by raw reward, which we do not."""
    texts = ["a" * count for count in CHARACTERS]
    judge = RewardJudge(Listed(REWARDS), RewardLabels(length_penalty=penalty))
    (verdict,) = judge.judge([answered(opened[1], texts)])
    assert verdict.rewards == pytest.approx(penalised, abs=1e-12)
    ranks = np.argsort(-verdict.rewards, kind="stable").tolist()
    assert BestWorst().pairs(verdict.wins, ranks, np.random.default_rng(0)) == [pair]
    assert verdict.wins[pair] == 1.0


def test_both_orders_of_the_card():
    """P(a1) is .668188 where it stands first and .450166 of the other where that does: .559177 together."""
    forward, backward = 1.2 - 0.5, 0.3 - 0.1
    assert float(1 / (1 + math.exp(-forward))) == pytest.approx(0.668188, abs=1e-6)
    assert float(1 / (1 + math.exp(backward))) == pytest.approx(0.450166, abs=1e-6)
    import torch

    both = win_probability(torch.tensor(forward, dtype=torch.float64), torch.tensor(backward, dtype=torch.float64))
    assert both.item() == pytest.approx(0.559177, abs=1e-6)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_preferences_of_rewards_are_bradley_terrys(rewards, temperature):
    wins = preferences(np.array(rewards), temperature)
    assert wins + wins.T == pytest.approx(np.ones_like(wins))
    assert np.diag(wins) == pytest.approx(np.full(len(rewards), 0.5))
    if temperature:
        expected = 1 / (1 + math.exp(-(rewards[0] - rewards[1]) / temperature))
        assert wins[0, 1] == pytest.approx(expected, abs=1e-12)
    else:
        assert set(wins.ravel().tolist()) <= {0.0, 0.5, 1.0}


def test_a_pairwise_judge_reads_both_orders_and_equal_texts_tie(drawing_bench, opened):
    ref = pairwise_judge(drawing_bench.base)
    texts = ["red", "blue , green", "red", "yellow ."]
    prompts = [answered(opened[1], texts), answered(opened[1], texts[::-1], "q")]
    temperature = 0.3
    first, mirrored = PairwiseModelJudge(PairwiseLabels(temperature=temperature), [ref], MODEL).judge(prompts)
    network = open_reward(ref, MODEL).network
    forward, backward = (network([ordered(prompts[0].group, *pair)]).item() / temperature for pair in ((0, 1), (1, 0)))
    expected = 0.5 * (1 / (1 + math.exp(-forward)) + 1 / (1 + math.exp(backward)))
    assert abs(expected - 0.5) > 1e-3
    assert first.wins[0, 1] == pytest.approx(expected, abs=1e-5)
    assert first.wins + first.wins.T == pytest.approx(np.ones((4, 4)), abs=1e-6)
    assert mirrored.wins == pytest.approx(first.wins[::-1, ::-1], abs=1e-5)
    assert first.wins[0, 2] == first.wins[2, 0] == 0.5
    assert first.rewards == pytest.approx(first.win_rates)
    assert first.win_rates == pytest.approx([(one.sum() - 0.5) / 3 for one in first.wins])


def test_the_policy_judges_by_its_log_ratio(drawing_bench, opened):
    from reinforced import base_policy

    policy, tokenizer = opened
    other, _ = open_policy(base_policy(seed=1), MODEL)
    one = answered(tokenizer, ["red", "blue , green", "yellow ."])
    (verdict,) = ImplicitJudge(ImplicitLabels(beta=0.5), policy, other).judge([one])
    from tasks.models.reference import score_groups

    ratios = np.array(score_groups(policy, [one.group])[0]) - np.array(score_groups(other, [one.group])[0])
    assert verdict.rewards == pytest.approx(0.5 * ratios)
    assert verdict.wins == pytest.approx(preferences(0.5 * ratios, 1.0))
    (same,) = ImplicitJudge(ImplicitLabels(), policy, policy).judge([one])
    assert (same.wins == 0.5).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_reward_that_is_no_number_names_prompt_and_response(opened, value):
    judge = RewardJudge(Listed([1.0, 0.0, 1.0, value]), RewardLabels())
    prompts = [answered(opened[1], ["red", "blue"], name) for name in ("first", "second")]
    with pytest.raises(UserError, match=rf"reward is {value} for prompt second, response 'blue'"):
        judge.judge(prompts)


def test_a_judge_or_policy_with_nan_weights_names_the_prompt(drawing_bench, opened):
    from reinforced import base_policy

    one = answered(opened[1], ["red", "blue"], "odd")
    broken = PairwiseModelJudge(PairwiseLabels(), [pairwise_judge(drawing_bench.base, fill=math.nan)], MODEL)
    with pytest.raises(UserError, match="preference is nan for prompt odd, response 'red'"):
        broken.judge([one])
    policy, _ = open_policy(base_policy(fill=math.nan), MODEL)
    with pytest.raises(UserError, match="log-ratio of policy and reference is nan for prompt odd"):
        ImplicitJudge(ImplicitLabels(), policy, opened[0]).judge([one])


@pytest.mark.parametrize(
    ("labeller", "fitted", "message"),
    [
        (RewardLabels(source=GoldReward()), 1, "reads no fitted reward model, but 1 were given"),
        (RewardLabels(source=FittedReward()), 0, "fitted|reward model"),
        (PairwiseLabels(), 0, "wants one pairwise judge, 0 models were given"),
        (PairwiseLabels(), 2, "wants one pairwise judge, 2 models were given"),
        (PairwiseLabels(), 1, "wants a judge that fit_pairwise made"),
        (ImplicitLabels(), 1, "reads the policy itself, 1 fitted models were given"),
    ],
)
def test_models_that_do_not_fit_the_labeller_are_refused(drawing_bench, opened, labeller, fitted, message):
    refs = [reward_model(drawing_bench.base, seed) for seed in range(fitted)]
    with pytest.raises(UserError, match=message):
        open_judge(labeller, refs, MODEL, opened[0], opened[0])
