"""The BRAIn paper at smoke scale, for real: estimators, sizes, one beta_r, gradients, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.preference.brain import PAPER, brain, choose_temperature, claims_of, sampled_arms
from flows.preference.brain_claims import ARMS, GRADIENTS
from flows.preference.brain_config import BRAInConfig
from flows.preference.judged import Judge
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.objectives.brain import BRAIn
from tasks.policy.objectives.dpo import DPO

JUDGE = Judge(RewardLabels(), ["reward model"])
SAMPLED = {"brain", "brain_argmax", "gdc_plus_plus", "dpg", "dpo_sft"}


def smoke(*overrides: str, **given: object) -> BRAInConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = brain(config)
    assert report.failures == {}
    scored = {
        suite: {row["arm"] for row in report.leaderboard if row["suite"] == suite} for suite in ("gold", GRADIENTS)
    }
    assert scored == {"gold": {*ARMS, "brain-n-2", "demonstrations"}, GRADIENTS: {"brain", "gdc_plus_plus", "dpg"}}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm that is never scored"

    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    runs = {
        arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run
        for run in found
        if run.info.run_name == "optimise_on_fresh_pairs"
    }
    assert runs.keys() == {*SAMPLED, "brain-n-2"}
    params = {name: run.data.params for name, run in runs.items() if name != "dpo_sft"}
    chosen = {one["objective.reward_temperature"] for one in params.values()}
    assert len(chosen) == 1, "all aim at one posterior"
    assert chosen != {"0.5"}, "the chosen temperature is the one that is trained with"
    sampled = {name: run.data.metrics["cost/sampled_tokens"] for name, run in runs.items()}
    assert sampled["brain-n-2"] < sampled["brain"]
    tuned = [run for run in found if run.info.run_name == "tune_reward_temperature"]
    assert any("posterior/effective_samples" in run.data.metrics for run in tuned)
    logged = {name for run in found for name in run.data.metrics}
    assert {"train/brain/target_sample_size", "train/brain/policy_sample_size", "eval/gradient_variance"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_the_claims_on_the_reward_model(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = brain(smoke("sweep_n=[]", data=str(path), arms=["sft", "dpo", "gdc_plus_plus", "brain"]))
    assert report.failures == {}
    assert [row["claim"] for row in report.verdicts] == [
        "beats_dpo", "brain_beats_gdc", "brain_is_less_noisy_than_gdc"
    ]  # fmt: skip
    assert all(row["n_prompts"] > 3 for row in report.verdicts)


def test_real_pairs_have_no_gold_reward(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    with pytest.raises(UserError, match="take reward_model"):
        brain.fn(smoke("rewarded_by=gold", data=str(path)))


def test_arms_change_one_thing_each():
    config = BRAInConfig(arms=list(ARMS), effective_share=0.0, sweep_n=[4, 8, 16])
    tuned = choose_temperature(config, None, None, JUDGE)
    arms = sampled_arms(config, JUDGE, tuned)
    assert arms.keys() == {*SAMPLED, "brain-n-4", "brain-n-16"}
    base = arms["brain"]
    assert (base.objective, base.fresh, base.training) == (BRAIn(), config.fresh, config.training)
    assert arms["gdc_plus_plus"].objective == BRAIn(estimator="gdc++")
    assert arms["dpg"].objective == BRAIn(estimator="dpg")
    assert arms["brain_argmax"].objective == BRAIn(weights="argmax")
    assert arms["brain-n-4"].fresh == config.fresh.model_copy(update={"per_prompt": 4})
    assert {name for name, one in arms.items() if one.fresh.behaviour == "start"} == {"dpo_sft"}
    rival = arms["dpo_sft"]
    assert rival.objective == DPO()
    assert (rival.fresh.choice.kind, rival.training.batch_size) == ("ranked", 32)
    for one in arms.values():
        assert one.fresh.prompts_a_round(one.training.batch_size) == base.fresh.prompts_a_round(
            base.training.batch_size
        )
    assert config.pairs_a_step == rival.training.batch_size


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["fresh.choice={kind: best_worst}"], "leave choice at whole_group"),
        (["fresh.behaviour=start"], "behaviour at current"),
        (["dpo_sft_choice={kind: whole_group}"], "DPO compares two"),
        (["fresh.per_prompt=3"], "wants an even per_prompt"),
        (["policy.estimator=dpg"], "the others are the arms"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(overrides, said):
    with pytest.raises(UserError, match=said):
        smoke(*overrides)


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_every_scale_loads_with_real_pairs(scale, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    assert load_config(PAPER, scale, data=str(path)).rewarded_by == "reward_model"


def test_the_claims_begin_with_the_main_one_and_follow_the_arms():
    claims = claims_of(BRAInConfig(arms=list(ARMS), sweep_n=[16, 2, 4]))
    assert claims[0].key == "beats_dpo_sft"
    assert len({claim.key for claim in claims}) == len(claims) == 10
    sizes = next(claim for claim in claims if claim.key == "more_responses_help")
    assert sizes.evidence.arms == ("brain-n-2", "brain-n-4", "brain", "brain-n-16")
    assert [claim.key for claim in claims_of(BRAInConfig(arms=["dpo", "dpo_sft"]))] == ["dpo_sft_beats_dpo"]
