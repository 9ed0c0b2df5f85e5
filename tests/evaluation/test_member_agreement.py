"""How alike an ensemble's members are, within prompts and over all."""

import numpy as np
import pandas as pd
import pytest

from tasks.data.tables import read_scores
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.member_agreement import measure_agreement, pairwise_correlations
from tasks.evaluation.metrics import find_metric
from tasks.reward.scoring import store_rewards

pytestmark = pytest.mark.usefixtures("rlhf_home")


def test_correlations_are_numpys_and_those_of_a_constant_are_unknown():
    scores = np.random.default_rng(0).normal(size=(20, 4))
    assert pairwise_correlations(scores) == pytest.approx(np.corrcoef(scores.T)[np.triu_indices(4, 1)])
    scores[:, 1] = 0.5
    assert np.isnan(pairwise_correlations(scores)).tolist() == [True, False, False, True, True, False]


def test_members_that_differ_between_prompts_alone_do_not_agree_within_them(tmp_path):
    table = pd.DataFrame(
        {
            "prompt_id": ["a"] * 3 + ["b"] * 3 + ["flat"] * 3,
            "member_0": [1.0, 2.0, 3.0, 11.0, 12.0, 13.0, 5.0, 5.0, 5.0],
            "member_1": [3.0, 2.0, 1.0, 13.0, 12.0, 11.0, 5.0, 6.0, 7.0],
        }
    )
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        scores = read_scores(measure_agreement(store_rewards(table)))
    assert dict(zip(scores["prompt_id"], scores["value"], strict=True)) == pytest.approx({"a": -1.0, "b": -1.0})
    assert set(scores["metric"]) == {"member_correlation"}
    events = [event for event, _ in read_events(tmp_path / "run.jsonl")]
    logged = {name: value for event in events if event["event"] == "metrics" for name, value in event["values"].items()}
    assert logged["eval/member_correlation"] == pytest.approx(-1.0)
    assert logged["eval/member_correlation_pooled"] > 0.8
    assert all(find_metric(name) for name in logged)


def test_one_member_agrees_with_nobody(tmp_path):
    table = pd.DataFrame({"prompt_id": ["a", "a"], "reward": [1.0, 2.0]})
    with (
        stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"),
        pytest.raises(UserError, match="score with an ensemble"),
    ):
        measure_agreement(store_rewards(table))
