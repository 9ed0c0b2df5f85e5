"""Pairwise judges: the card's numbers, symmetry, and rewards against anchors."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.rows import DemonstrationRow, PairRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.metrics import find_metric
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import real_logits, run_body
from tasks.reward.function import Judged, open_reward_function
from tasks.reward.model import new_network
from tasks.reward.objectives.pairwise_judge import PairwiseJudge, win_probability
from tasks.reward.pairwise import fit_pairwise, ordered, single_token, start_from_words
from tasks.reward.sources import FittedReward, PairwiseReward
from tasks.reward.storing import read_card

LOGITS = torch.tensor([[1.5, 0.7]], dtype=torch.float64)
NOT_TURNED = torch.tensor([False])


def test_numbers_of_the_card():
    wins = win_probability(LOGITS[:, 0], LOGITS[:, 1])
    assert wins.item() == pytest.approx(0.574693, abs=1e-6)
    loss, metrics = PairwiseJudge().loss(LOGITS, NOT_TURNED)
    assert loss.item() == pytest.approx(0.652300, abs=1e-6)
    assert metrics["inconsistency"].item() == pytest.approx(0.235965, abs=1e-6)
    assert PairwiseJudge(consistency=2.0).loss(LOGITS, NOT_TURNED)[0].item() == pytest.approx(1.124230, abs=2e-6)


def test_one_order_reads_the_order_that_was_drawn():
    judge = PairwiseJudge(both_orders=False)
    forward = judge.loss(LOGITS, torch.tensor([False]))[0]
    backward = judge.loss(LOGITS, torch.tensor([True]))[0]
    assert forward.item() == pytest.approx(-torch.tensor(1.5).sigmoid().log().item(), abs=1e-6)
    assert backward.item() == pytest.approx(-torch.tensor(-0.7).sigmoid().log().item(), abs=1e-6)
    assert (forward + backward).item() / 2 == pytest.approx(PairwiseJudge().loss(LOGITS, NOT_TURNED)[0].item())


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_win_probabilities_of_two_responses_add_to_one(forward, backward):
    a, b = torch.tensor(forward, dtype=torch.float64), torch.tensor(backward, dtype=torch.float64)
    assert (win_probability(a, b) + win_probability(b, a)).item() == pytest.approx(1.0)


def test_verdict_words_come_in_twos():
    with pytest.raises(ValueError, match="together or not at all"):
        PairwiseJudge(first_word="yes")


def test_a_head_from_words_is_their_log_odds(base, config):
    policy, tokenizer = open_policy(base, config)
    network = new_network(policy, 1, 0)
    judge = PairwiseJudge(first_word="red", second_word="blue")
    start_from_words(network, policy, tokenizer, judge)
    group = EncodedGroup([1, 5, 6], [[7, 8, 2]])
    logits = real_logits(policy, run_body(policy, input_ids=torch.tensor([[1, 5, 6, 7, 8, 2]]))[0, -1])
    odds = logits[single_token(tokenizer, "red")] - logits[single_token(tokenizer, "blue")]
    assert network([group]).item() == pytest.approx(odds.item(), abs=1e-5)
    with pytest.raises(UserError, match="one token"):
        single_token(tokenizer, "red blue")


def test_order_is_what_the_judge_reads():
    group = EncodedGroup([1], [[3, 2], [4, 5, 2]])
    assert ordered(group) == EncodedGroup([1, 3, 2], [[4, 5, 2]])
    assert ordered(group, 1, 0) == EncodedGroup([1, 4, 5, 2], [[3, 2]])


@pytest.fixture
def judge(tmp_path, base, pairs, held_out, config, budget):
    training = budget.model_copy(update={"epochs": 20, "learning_rate": 1e-2, "pooling": "mean"})
    with stage_tracker(tmp_path / "judge.jsonl", tmp_path / "judge"):
        return fit_pairwise(base, pairs, held_out, PairwiseJudge(consistency=0.1), training, config, 0)


@pytest.fixture
def anchors(held_out):
    rows = read_rows_of(held_out, PairRow)
    return store_rows(
        [
            DemonstrationRow(prompt_id=r["prompt_id"], prompt=r["prompt"], family=r["family"], response=r["rejected"])
            for r in rows
        ],
        "anchors",
    )


def test_a_judge_learns_and_rewards_what_beats_the_anchor(tmp_path, judge, anchors, held_out, config):
    assert read_card(judge).accuracy > 0.85
    logged = {
        name
        for event, _ in read_events(tmp_path / "judge.jsonl")
        if event["event"] == "metrics"
        for name in event["values"]
    }
    assert "held_out/reward_flip_rate" in logged
    assert all(find_metric(name) for name in logged)

    rows = read_rows_of(held_out, PairRow)
    function = open_reward_function(PairwiseReward(anchors=anchors), [judge], config)
    better = function.score([Judged(row, row["chosen"], True) for row in rows])
    same = function.score([Judged(row, row["rejected"], True) for row in rows])
    assert same["reward"] == pytest.approx([0.5] * len(rows), abs=1e-6)
    assert sum(better["reward"]) / len(rows) > 0.7
    halves = [(a + b) / 2 for a, b in zip(better["as_first"], better["as_second"], strict=True)]
    assert better["reward"] == pytest.approx(halves)

    one_order = PairwiseReward(anchors=anchors, orders="policy_first", output="logit")
    found = open_reward_function(one_order, [judge], config).score([Judged(rows[0], rows[0]["chosen"], True)] * 2)
    assert found["reward"][0] == found["reward"][1]
    assert torch.tensor(found["reward"][0]).sigmoid().item() == pytest.approx(better["as_first"][0], abs=1e-5)


def test_what_does_not_fit_is_refused(judge, anchors, held_out, fit, config):
    row = {**read_rows_of(held_out, PairRow)[0], "prompt_id": "elsewhere"}
    with pytest.raises(UserError, match="no answer to beat for prompt elsewhere"):
        open_reward_function(PairwiseReward(anchors=anchors), [judge], config).score([Judged(row, "red .", True)])
    with pytest.raises(UserError, match="kind pairwise with anchors"):
        open_reward_function(FittedReward(), [judge], config)
    with pytest.raises(UserError, match="use kind fitted"):
        open_reward_function(PairwiseReward(anchors=anchors), [fit()], config)
    with pytest.raises(UserError, match="wants one pairwise judge, 0"):
        open_reward_function(PairwiseReward(anchors=anchors), [], config)
