"""The VPO paper at smoke scale, for real: both studies, signs, calibration samples, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.preference.judged import Judge
from flows.preference.vpo import (
    PAPER,
    calibrated_objectives,
    claims_of,
    online_arms,
    plain_objectives,
    vpo,
)
from flows.preference.vpo_claims import ARMS, CALIBRATION
from flows.preference.vpo_config import VPOConfig
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.fresh.labellers import RewardLabels

ONLINE = {"online_dpo", "online_vpo", "xpo", "online_vpo_wrong_sign", "online_dpo_plain", "online_vpo_plain"}
JUDGE = Judge(RewardLabels(), ["reward model"])


def smoke(*overrides: str, **given: object) -> VPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = vpo(config)
    assert report.failures == {}
    named = {
        suite: {row["arm"] for row in report.leaderboard if row["suite"] == suite} for suite in ("gold", CALIBRATION)
    }
    assert named["gold"] == {*ARMS, "vpo-alpha-1", "demonstrations"}
    assert named[CALIBRATION] == {*ARMS, "vpo-alpha-1"} - {"sft"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm that is never scored"

    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    trained: dict[str, set[str]] = {}
    for run in found:
        if run.info.run_name.startswith("optimise_"):
            trained.setdefault(run.info.run_name, set()).add(arms[run.data.tags["mlflow.parentRunId"]]["arm"])
    assert trained["optimise_on_fresh_pairs"] == ONLINE
    assert trained["optimise_on_calibrated_pairs"] == {"vpo", "vpo_wrong_sign", "vpo-alpha-1"}
    assert trained["optimise_preferences"] == {"dpo", "ipo", "vpo_chosen"}
    assert {tags["arm"] for tags in arms.values() if tags["mode"] == "online"} == ONLINE
    logged = {name for run in found for name in run.data.metrics}
    assert {"train/vpo/calibration_log_ratio", "eval/calibration_log_ratio", "train/round/gold_reward"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_are_labelled_and_judged_by_a_reward_model(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = vpo(smoke("sweep_alphas=[]", data=str(path), arms=["sft", "dpo", "vpo", "online_dpo", "online_vpo"]))
    assert report.failures == {}
    assert [row["claim"] for row in report.verdicts] == [
        "beats_dpo_after_long_training",
        "over_optimises_less_than_dpo",
        "dpo_over_optimises",
        "keeps_reference_samples_likely",
        "stays_closer_than_dpo",
        "online_beats_online_dpo",
        "online_needs_fewer_labels",
    ]
    assert all(row["n_prompts"] for row in report.verdicts)


def test_real_pairs_have_no_gold_oracle(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    with pytest.raises(UserError, match="set oracle to reward_model"):
        vpo.fn(smoke("oracle=gold", data=str(path)))


def test_arms_differ_in_the_value_term_alone():
    config = VPOConfig(arms=list(ARMS), sweep_alphas=[0.0, 0.1, 1.0])
    offline = plain_objectives(config) | calibrated_objectives(config)
    online = online_arms(config, JUDGE)
    assert offline.keys() | online.keys() == {*ARMS, "vpo-alpha-0", "vpo-alpha-1"} - {"sft"}
    assert online.keys() == ONLINE
    for name, changed in {
        "vpo_wrong_sign": {"sign": "pessimistic"},
        "vpo_chosen": {"calibration": "samples"},
        "vpo-alpha-0": {"alpha": 0.1},
    }.items():
        assert offline[name] != config.policy
        assert offline[name].model_copy(update=changed) == config.policy
    wrong = online["online_vpo_wrong_sign"].objective
    assert (wrong.sign, wrong.alpha) == ("pessimistic", config.online_policy.alpha)
    for one in online.values():
        same = {"rounds_replayed": -1, "calibration": False, "behaviour": "current"}
        assert one.fresh.model_copy(update=same) == config.fresh
    assert {name for name, one in online.items() if one.fresh.behaviour == "mixed"} == {"xpo"}
    assert {name for name, one in online.items() if not one.fresh.calibration} == {"online_dpo", "online_dpo_plain"}
    assert {name for name, one in online.items() if not one.fresh.rounds_replayed} == {
        "online_dpo_plain", "online_vpo_plain"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["policy.sign=optimistic"], "fixed pairs want pessimism"),
        (["online_policy.sign=pessimistic"], "fresh ones optimism"),
        (["policy.calibration=chosen"], "see the arm vpo_chosen"),
        (["fresh.choice={kind: best_worst}"], "leave choice at first_two"),
        (["fresh.rounds_replayed=0"], "replay nothing"),
        (["online_training.max_steps=0"], "say how many steps"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(overrides, said):
    with pytest.raises(UserError, match=said):
        smoke(*overrides)


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_every_scale_loads_with_real_pairs(scale, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    assert load_config(PAPER, scale, data=str(path)).oracle == "reward_model"


def test_the_claims_begin_with_the_main_one_and_follow_the_arms():
    claims = claims_of(VPOConfig(arms=list(ARMS)))
    assert claims[0].key == "beats_dpo_after_long_training"
    assert len({claim.key for claim in claims}) == len(claims) == 11
    assert claims[6].evidence.arms == ("vpo-alpha-0.01", "vpo", "vpo-alpha-1")
    without = claims_of(VPOConfig(arms=["dpo", "online_dpo"]))
    assert [claim.key for claim in without] == ["dpo_over_optimises"]
