"""A fitted pairwise judge calibrated, measured and refused."""

import pytest

from tasks.data.tables import read_scores
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.judge_measuring import measure_judge
from tasks.evaluation.metrics import find_metric
from tasks.policy.fresh.calibrating import calibrate_judge
from tasks.policy.fresh.labellers import PairwiseLabels
from tasks.reward.objectives.pairwise_judge import PairwiseJudge
from tasks.reward.pairwise import fit_pairwise


@pytest.fixture
def judge(tmp_path, base, pairs, held_out, config, budget):
    training = budget.model_copy(update={"epochs": 20, "learning_rate": 1e-2, "pooling": "mean"})
    with stage_tracker(tmp_path / "judge.jsonl", tmp_path / "judge"):
        return fit_pairwise(base, pairs, held_out, PairwiseJudge(), training, config, 0)


def test_a_judge_is_calibrated_on_some_pairs_and_measured_on_others(tmp_path, judge, pairs, held_out, config):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        labels = calibrate_judge(PairwiseLabels(decide="sampled"), judge, pairs, config)
        scores = read_scores(measure_judge(labels, judge, held_out, config))
    assert labels.decide == "sampled"
    assert labels.temperature < 1.0, "a judge that is always right may be surer"
    means = scores.groupby("metric")["value"].mean()
    assert means["judge_accuracy"] > 0.9
    assert means["judge_confidence"] > 0.8
    assert means["judge_brier"] < 0.1
    assert set(scores["prompt_id"].value_counts()) == {3}
    logged = {
        name for event, _ in read_events(tmp_path / "run.jsonl") if event["event"] == "metrics"
        for name in event["values"]
    }  # fmt: skip
    assert {"judge/temperature", "held_out/reward_calibration_error", "held_out/reward_accuracy"} <= logged
    assert [name for name in logged if find_metric(name) is None] == []


def test_a_reward_model_is_no_judge(tmp_path, fit, held_out, config):
    reward = fit()
    with (
        stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"),
        pytest.raises(UserError, match="fit_pairwise made"),
    ):
        calibrate_judge(PairwiseLabels(), reward, held_out, config)
