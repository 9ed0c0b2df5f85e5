"""Policies as several reward functions see them, along their training and greedily."""

import math

import pytest
from reinforced import MODEL, base_policy, reward_model

from tasks.data.tables import read_scores, store_rows
from tasks.data.tiny_world import sample_prompts
from tasks.engine.refs import CheckpointSeries
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.opinion_settings import Opinion
from tasks.evaluation.opinions import measure_chosen, measure_opinions
from tasks.models.decoding import Decoding
from tasks.models.generation import sample_responses
from tasks.reward.bounded import RangeReward, SigmoidReward

DECODING = Decoding(max_new_tokens=10)
TWO = [Opinion(metric="proxy_reward"), Opinion(metric="test_reward")]


@pytest.fixture
def prompts(rlhf_home, tmp_path):
    with stage_tracker(tmp_path / "stage.jsonl", tmp_path / "stage"):
        yield store_rows(sample_prompts("hh", "eval", 8, seed=0), "evaluation")


def test_every_point_has_every_opinion_in_its_range(prompts):
    base, other = base_policy(0), base_policy(1)
    series = CheckpointSeries(steps=[1, 2], checkpoints=[base, other])
    members = [reward_model(base, seed) for seed in (0, 1)]
    opinions = [*TWO, Opinion(metric="bounded_reward", reward=RangeReward(), members=0)]
    found = read_scores(measure_opinions(series, base, prompts, DECODING, [0.0], opinions, members, MODEL, seed=0))
    assert set(found["point"]) == {"T0", "50%", ""}
    wanted = {"proxy_reward", "test_reward", "bounded_reward", "meteor_across_prompts", "corpus_distinct_2", "finished"}
    for _, rows in found.groupby("point"):
        assert wanted <= set(rows["metric"])
    means = found[found["point"] == ""].groupby("metric")["value"].mean()
    assert means["proxy_reward"] != means["test_reward"]
    for row in found.itertuples():
        metric = find_metric(row.metric)
        assert metric, row.metric
        assert metric.lowest <= row.value <= metric.highest
    assert "token_kl" not in set(found[found["point"] == "T0"]["metric"]), "greedy responses have no KL"


def test_a_sigmoid_is_of_the_plain_score_and_chosen_responses_are_measured_alike(prompts):
    base = base_policy(0)
    member = reward_model(base, 0)
    samples = sample_responses(base, prompts, DECODING, 1, MODEL, seed=0)
    opinions = [Opinion(metric="proxy_reward"), Opinion(metric="bounded_reward", reward=SigmoidReward())]
    chosen = read_scores(measure_chosen(samples, opinions, [member, member], MODEL, seed=0))
    policy = read_scores(measure_opinions(base, base, prompts, DECODING, [], opinions, [member, member], MODEL, seed=0))
    for name in ("proxy_reward", "bounded_reward", "meteor_across_prompts", "gold_reward"):
        one, other = (table[table["metric"] == name].set_index("prompt_id")["value"] for table in (chosen, policy))
        assert one.to_dict() == pytest.approx(other.to_dict(), abs=1e-5)
    by_metric = chosen.pivot_table(index="prompt_id", columns="metric", values="value")
    for plain, bounded in zip(by_metric["proxy_reward"], by_metric["bounded_reward"], strict=True):
        assert bounded == pytest.approx(1.0 / (1.0 + math.exp(-plain)), abs=1e-6)


def test_as_many_reward_models_as_the_opinions_read(prompts):
    base = base_policy(0)
    with pytest.raises(UserError, match="2 opinions read 2 reward models and 1 are given"):
        measure_opinions(base, base, prompts, DECODING, [], TWO, [reward_model(base)], MODEL, seed=0)
