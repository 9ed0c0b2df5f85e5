"""Reward models along a fit, rules that rank pairs, and which checkpoint is kept."""

import pandas as pd
import pytest
from pydantic import ValidationError

from tasks.data.rows import PairRow, user_prompt
from tasks.data.tables import read_rows_of, read_scores, store_rows, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, LogProbs
from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.metrics import find_metric
from tasks.models.scoring import read_log_probs, score_pairs, store_log_probs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.preference import optimise_preferences
from tasks.reward.fitting import fit_reward
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.pair_ranking import rank_by_length, rank_by_likelihood, rank_by_log_ratio, rank_by_reward
from tasks.reward.selection import best_of, best_reward, matched_reward, nearest_to
from tasks.reward.series import RewardSeries, RewardSeriesTraining, names_of
from tasks.reward.series_fitting import fit_reward_series
from tasks.reward.storing import read_card


@pytest.fixture(autouse=True)
def tracked(rlhf_home):
    with stage_tracker(rlhf_home / "stage.jsonl", rlhf_home / "work"):
        yield


@pytest.fixture
def series_budget(budget) -> RewardSeriesTraining:
    return RewardSeriesTraining(**budget.model_dump(), snapshots=4)


@pytest.fixture
def series(base, pairs, held_out, series_budget, config) -> RewardSeries:
    return fit_reward_series(base, pairs, held_out, BradleyTerry(), series_budget, config, seed=0)


def test_the_last_of_a_series_is_the_reward_model_that_one_fit_gives(
    tmp_path, series, base, pairs, held_out, budget, config, rlhf_home
):
    with stage_tracker(tmp_path / "plain.jsonl", tmp_path / "plain"):
        plain = fit_reward(base, pairs, held_out, BradleyTerry(), budget, config, seed=0)
    assert series.steps == [5, 10, 15, 20]
    assert series.final.digest == plain.digest
    assert len({reward.digest for reward in series.rewards}) == 4
    logged = {
        name for event, _ in read_events(rlhf_home / "stage.jsonl") for name in event.get("values", {})
        if event["event"] == "metrics"
    }  # fmt: skip
    assert all(find_metric(name) for name in logged)


def test_every_reward_model_ranks_as_its_own_held_out_accuracy_says(series, held_out, config):
    table = read_scores(rank_by_reward(series, held_out, config))
    means = table.groupby("point")["value"].mean()
    assert list(dict.fromkeys(table["point"])) == ["step5", "step10", "step15", ""] == names_of(series.steps)
    for name, reward in zip(names_of(series.steps), series.rewards, strict=True):
        assert means[name] == pytest.approx(read_card(reward).accuracy)
    assert set(table["metric"]) == {"reward_accuracy"}


def test_the_implicit_reward_is_a_tie_at_the_reference_and_is_learned_by_dpo(base, pairs, held_out, config):
    frozen = score_pairs(base, held_out, config)
    start = CheckpointSeries(steps=[0], checkpoints=[base])
    assert (read_scores(rank_by_log_ratio(start, held_out, frozen, config))["value"] == 0.5).all()
    budget = PreferenceTraining(learning_rate=3e-3, batch_size=8, epochs=5, warmup_steps=2, snapshots=1)
    trained = optimise_preferences(base, pairs, score_pairs(base, pairs, config), DPO(), budget, config, seed=0)
    assert read_scores(rank_by_log_ratio(trained, held_out, frozen, config))["value"].mean() > 0.9


def test_the_card_s_pair_is_ranked_by_log_ratios_and_by_likelihood(base, config, held_out):
    """log pi (-10.2, -11.7), log pi_ref (-11.0, -11.1): +0.8 against -0.6; a constant of the prompt changes nothing."""
    rows = read_rows_of(held_out, PairRow)[:2]
    pairs = store_rows(rows, "two")
    own = read_log_probs(score_pairs(base, pairs, config))
    policy = CheckpointSeries(steps=[1], checkpoints=[base])

    def ranked(shift: float) -> list[float]:
        (a, b), (c, d) = own
        reference: LogProbs = store_log_probs([(a - 0.8 + shift, b + 0.6 + shift), (c + 0.8 + shift, d - 0.6 + shift)])
        table = read_scores(rank_by_log_ratio(policy, pairs, reference, config)).set_index("prompt_id")
        return [float(table.loc[row["prompt_id"], "value"]) for row in rows]

    assert ranked(0.0) == ranked(5.0) == [1.0, 0.0]
    likely = read_scores(rank_by_likelihood(base, pairs, config)).set_index("prompt_id")["value"]
    assert [likely[row["prompt_id"]] for row in rows] == [float(a > b) for a, b in own]


def pair(prompt: str, chosen: str, rejected: str) -> PairRow:
    return PairRow(prompt_id=prompt, prompt=user_prompt("copy : red ."), family="x", chosen=chosen, rejected=rejected)


def test_length_takes_the_direction_of_the_training_pairs(base: Checkpoint):
    longer = store_rows([pair("a", "red red red", "red"), pair("b", "red red", "red")], "longer")
    shorter = store_rows([pair("a", "red", "red red red")], "shorter")
    mixed = store_rows([pair("a", "red red", "red"), pair("a", "red", "red red"), pair("b", "red", "red")], "mixed")
    assert list(read_scores(rank_by_length(longer, longer, base))["value"]) == [1.0, 1.0]
    assert list(read_scores(rank_by_length(shorter, longer, base))["value"]) == [0.0, 0.0]
    found = read_scores(rank_by_length(longer, mixed, base)).set_index("prompt_id")["value"]
    assert dict(found) == {"a": 0.5, "b": 0.5}


def accuracies(values: dict[int, float]):
    """Validation scores of checkpoints at the steps that are the keys."""
    table = pd.DataFrame({"prompt_id": "p", "value": list(values.values()), "point": names_of(list(values))})
    return store_scores(table.assign(metric="reward_accuracy"))


FIRST = {5: 0.5, 10: 0.8, 15: 0.7, 20: 0.8}


def test_the_most_accurate_checkpoint_is_kept_with_those_before_it(series):
    again = RewardSeries(steps=[1, 2], rewards=series.rewards[:2])
    kept = best_reward([series, again], [accuracies(FIRST), accuracies({1: 0.6, 2: 0.7})])
    assert (kept.steps, kept.rewards) == ([5, 10], series.rewards[:2])
    assert best_reward([series, again], [accuracies(FIRST), accuracies({1: 0.6, 2: 0.9})]) == again


def test_matched_checkpoints_are_near_the_worse_arm_s_accuracy(series):
    own = accuracies({5: 0.5, 10: 0.62, 15: 0.7, 20: 0.8})
    assert matched_reward([series], [own], [own, accuracies({1: 0.4, 2: 0.6})]).steps == [10]
    assert matched_reward([series], [own], [own, accuracies({1: 0.95})]).steps == [20]


def test_ties_go_to_the_earliest():
    assert best_of([[0.5, 0.9], [0.9]]) == (0, 1)
    assert nearest_to([[0.5, 0.7], [0.6]], 0.6) == (1, 0)


def test_a_series_wants_a_model_a_step():
    with pytest.raises(ValidationError, match="2 steps want as many reward models, not 0"):
        RewardSeries(steps=[1, 2], rewards=[])
