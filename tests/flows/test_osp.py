"""The OSP paper at smoke scale, for real: judges, pairings and rivals, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.preference.osp import PAPER, OwnJudge, arms_of, claims_of, judges_asked, osp
from flows.preference.osp_claims import ARMS, JUDGE
from flows.preference.osp_config import ONLINE, OSPConfig
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.fresh.labellers import PairwiseLabels, RewardLabels
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.spce import SPCE

JUDGES = {name: OwnJudge(name, PairwiseLabels()) for name in ("judge", "judge_few", "judge_corrupted")}


def smoke(*overrides: str, **given: object) -> OSPConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = osp(config)
    assert report.failures == {}
    scored = {suite: {row["arm"] for row in report.leaderboard if row["suite"] == suite} for suite in ("gold", JUDGE)}
    assert scored == {"gold": {*config.arms, "demonstrations"}, JUDGE: set(JUDGES)}
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
    assert runs.keys() == ONLINE & set(config.arms)
    temperature = {run.data.params["labeller.temperature"] for name, run in runs.items() if name == "osp"}
    assert temperature != {"1.0"}, "the calibrated temperature is what labels the pairs"
    assert runs["osp"].data.metrics["train/spce/certainty"] <= 0.5
    logged = {name for run in found for name in run.data.metrics}
    assert {"judge/temperature", "held_out/reward_calibration_error", "held_out/reward_flip_rate"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_train_a_judge_and_settle_the_claims_without_gold(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = osp(smoke(data=str(path), arms=["sft", "online_dpo_hard", "osp"]))
    assert report.failures == {}
    assert [row["claim"] for row in report.verdicts] == ["proxy_beats_hard", "length_grows", "judge_knows"]
    assert all(row["n_prompts"] > 3 for row in report.verdicts)


def test_arms_change_one_thing_each():
    config = OSPConfig(arms=list(ARMS))
    arms = arms_of(config, JUDGES)
    assert arms.keys() == ONLINE
    base = arms["osp"]
    assert (base.objective, base.fitted, base.fresh) == (SPCE(), ["judge"], config.fresh)
    assert {name for name, one in arms.items() if one.fresh != base.fresh} == {
        "osp_adjacent", "osp_all", "osp_best_worst"
    }  # fmt: skip
    assert {name for name, one in arms.items() if one.objective != base.objective} == {"online_dpo_hard"}
    assert arms["online_dpo_hard"].objective == DPO()
    assert {name: one.fitted for name, one in arms.items() if one.fitted != ["judge"]} == {
        "osp_gold": [], "osp_few": ["judge_few"], "osp_corrupted": ["judge_corrupted"]
    }  # fmt: skip
    assert isinstance(arms["osp_gold"].labeller, RewardLabels)
    assert arms["osp_gold"].labeller.temperature == config.world.label_temperature
    assert {one.training for one in arms.values()} == {config.training}


def test_best_and_worst_alone_are_taken_of_as_many_responses():
    config = OSPConfig(arms=["osp", "osp_best_worst"])
    sampled = {
        name: one.fresh.prompts_a_round(config.training.batch_size) for name, one in arms_of(config, JUDGES).items()
    }
    assert sampled["osp"] == sampled["osp_best_worst"] == 32 * 20 / 4
    assert config.prompts_of_a_run == 800


def test_only_judges_that_arms_read_are_fitted():
    assert judges_asked(OSPConfig(arms=["sft", "osp_gold", "rm_ppo"])) == set()
    assert judges_asked(OSPConfig(arms=["osp_few"])) == {"judge_few"}
    assert judges_asked(OSPConfig(arms=["online_dpo_hard", "osp_gold"])) == {"judge"}
    asked = {claim.key for claim in claims_of(OSPConfig(arms=["osp_few"]))}
    assert "judge_knows" not in asked
    assert claims_of(OSPConfig())[0].key == "beats_hard"
    assert len({claim.key for claim in claims_of(OSPConfig())}) == len(claims_of(OSPConfig())) == 9


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["fresh.choice={kind: best_worst}"], "osp pairs the ranks of its halves"),
        (["few_pairs=24"], "must be fewer than world.pairs 24"),
        (["training.max_steps=0"], "say how many steps"),
        (["world.policy_prompts=8"], "an online arm samples from 16 prompts"),
        (["judge.objective.second_word="], "given together or not at all"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(overrides, said):
    with pytest.raises(UserError, match=said):
        smoke(*overrides)


def test_the_true_preference_is_refused_where_there_is_none():
    with pytest.raises(UserError, match="osp_gold reads the true reward"):
        smoke(data="org/name", arms=["osp_gold"])
