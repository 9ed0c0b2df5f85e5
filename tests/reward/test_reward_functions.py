"""Reward functions: columns, order, ties, and what they refuse."""

import statistics

import pytest

from tasks.data.rows import PairRow, user_prompt
from tasks.data.tables import read_rows_of
from tasks.data.tiny_world import demonstrations, sample_prompts, score
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.generation import SampleRow, store_samples
from tasks.models.packing import EncodedGroup
from tasks.reward.function import Judged, open_reward_function
from tasks.reward.model import score_groups
from tasks.reward.scoring import read_rewards, score_samples
from tasks.reward.sources import FittedReward, GoldReward
from tasks.reward.storing import open_reward


def judged(family: str, count: int) -> list[Judged]:
    rows = demonstrations(sample_prompts(family, "val", count, seed=0), seed=0)
    return [Judged(row, row["response"], number % 3 != 0) for number, row in enumerate(rows)]


@pytest.fixture
def batch(held_out) -> list[Judged]:
    """Two responses to each of some prompts, one text twice, one cut off."""
    rows = read_rows_of(held_out, PairRow)[:6]
    found = [Judged(row, row[side], True) for side in ("chosen", "rejected") for row in rows]
    return [*found, Judged(rows[0], rows[0]["chosen"], False), found[3]]


def test_gold_is_the_worlds_reward_with_its_terms(config):
    batch = judged("hh", 12)
    found = open_reward_function(GoldReward(), [], config).score(batch)
    golds = score([one.prompt for one in batch], [one.response for one in batch], [one.finished for one in batch])
    assert found["reward"] == [gold.reward for gold in golds]
    assert found["cost"] == [gold.parts["cost"] for gold in golds]
    helpful = open_reward_function(GoldReward(label_by="helpfulness"), [], config).score(batch)
    assert helpful["reward"] == found["helpfulness"]


def test_families_share_the_columns_they_have_in_common(config):
    found = open_reward_function(GoldReward(), [], config).score([*judged("gsm", 2), *judged("hh", 2)])
    assert set(found) == {"reward"}
    with pytest.raises(UserError, match="judge is not known to every family here \\(hh\\)"):
        open_reward_function(GoldReward(label_by="judge"), [], config).score(judged("hh", 2))


def test_a_fitted_reward_is_the_networks_score_of_each_text(fit, config, batch):
    ref = fit()
    found = open_reward_function(FittedReward(standardise=False), [ref], config).score(batch)
    opened = open_reward(ref, config)
    groups = [
        EncodedGroup(
            encode_prompt(opened.tokenizer, one.prompt["prompt"]),
            [encode_response(opened.tokenizer, one.response, eos=one.finished)],
        )
        for one in batch
    ]
    assert list(found) == ["reward"]
    assert found["reward"] == pytest.approx([float(s) for s in score_groups(opened.network, groups)], abs=1e-5)
    assert found["reward"][3] == found["reward"][-1]
    assert found["reward"][0] != found["reward"][-2]


def test_standardised_by_the_held_out_scores(fit, config, batch):
    ref = fit()
    raw = open_reward_function(FittedReward(standardise=False), [ref], config).score(batch)["reward"]
    card = open_reward(ref, config).card
    found = open_reward_function(FittedReward(), [ref], config).score(batch)["reward"]
    assert found == pytest.approx([(value - card.mean[0]) / card.standard_deviation[0] for value in raw], abs=1e-5)


def test_the_order_of_a_batch_does_not_count(fit, config, batch):
    function = open_reward_function(FittedReward(), [fit()], config)
    forward, backward = function.score(batch), function.score(batch[::-1])
    assert forward["reward"] == pytest.approx(backward["reward"][::-1], abs=1e-5)


def test_an_ensemble_shows_its_members_and_their_variance(fit, config, batch):
    refs = [fit(seed=seed) for seed in range(3)]
    alone = [open_reward_function(FittedReward(), [ref], config).score(batch)["reward"] for ref in refs]
    found = {
        name: open_reward_function(FittedReward(aggregate=name, uncertainty_penalty=0.5), refs, config).score(batch)
        for name in ("mean", "worst_case", "uncertainty_weighted")
    }
    for number, rewards in enumerate(alone):
        assert found["mean"][f"member_{number}"] == pytest.approx(rewards, abs=1e-5)
    columns = list(zip(*alone, strict=True))
    spread = [statistics.pvariance(column) for column in columns]
    assert found["mean"]["variance"] == pytest.approx(spread, abs=1e-4)
    assert found["mean"]["reward"] == pytest.approx([statistics.fmean(column) for column in columns], abs=1e-5)
    assert found["worst_case"]["reward"] == pytest.approx([min(column) for column in columns], abs=1e-5)
    expected = [statistics.fmean(column) - 0.5 * one for column, one in zip(columns, spread, strict=True)]
    assert found["uncertainty_weighted"]["reward"] == pytest.approx(expected, abs=1e-4)


def test_an_ensemble_of_one_is_the_single_model(fit, config, batch):
    ref = fit()
    single = open_reward_function(FittedReward(), [ref], config).score(batch)
    for name in ("mean", "worst_case", "uncertainty_weighted"):
        assert open_reward_function(FittedReward(aggregate=name), [ref], config).score(batch) == single


def test_what_does_not_fit_together_is_refused(fit, config):
    ref = fit()
    with pytest.raises(UserError, match="single wants one reward model, 2 were given"):
        open_reward_function(FittedReward(), [ref, ref], config)
    with pytest.raises(UserError, match="at least one reward model, 0"):
        open_reward_function(FittedReward(aggregate="mean"), [], config)
    with pytest.raises(UserError, match="no head 'length'; this reward model has reward"):
        open_reward_function(FittedReward(head="length"), [ref], config)
    with pytest.raises(UserError, match="gold reads no fitted reward model"):
        open_reward_function(GoldReward(), [ref], config)


def test_an_empty_batch_has_no_rewards(fit, config):
    assert open_reward_function(FittedReward(), [fit()], config).score([])["reward"] == []
    assert open_reward_function(GoldReward(), [], config).score([])["reward"] == []


def test_samples_are_scored_row_by_row_with_the_gold_reward(tmp_path, fit, config, batch):
    rows = [
        SampleRow(
            prompt_id=one.prompt["prompt_id"], prompt=one.prompt["prompt"], family=one.prompt["family"], sample=number,
            response=one.response, ids=[], finished=one.finished, log_prob=0.0,
        )
        for number, one in enumerate(batch)
    ]  # fmt: skip
    rows[1] = SampleRow(**{**rows[1], "family": "elsewhere", "prompt": user_prompt("list 3 colors .")})
    ref = fit()
    with stage_tracker(tmp_path / "score.jsonl", tmp_path / "score"):
        rewards = score_samples(store_samples(rows), FittedReward(), [ref], config)
    table = read_rewards(rewards)
    assert rewards.rows == len(batch) == len(table)
    assert table["sample"].tolist() == list(range(len(batch)))
    assert table["prompt_id"].tolist() == [row["prompt_id"] for row in rows]
    expected = open_reward_function(FittedReward(), [ref], config).score(batch)["reward"]
    assert table["reward"].drop(1).tolist() == pytest.approx(expected[:1] + expected[2:], abs=1e-5)
    assert table["gold_reward"].isna().tolist() == [number == 1 for number in range(len(batch))]
