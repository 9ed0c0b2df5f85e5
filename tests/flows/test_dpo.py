"""The DPO paper at smoke scale, for real: arms, claims, tracking, cache, failures, real data."""

import gzip
import json

import pytest
import torch
from mlflow import MlflowClient

from flows.preference.dpo import PAPER, DPOConfig, claims_of, dpo, objectives_of
from flows.preference.dpo_claims import ARMS
from flows.preference.dpo_ppo import PPOComparison, frontiers_of
from flows.scales import load_config
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.subjects.tracked import checkpoint_of_run
from tasks.evaluation.verdicts import verdict_table
from tasks.models.build import build_from_scratch
from tasks.models.config import ScratchModel
from tasks.models.loading import save_model
from tasks.policy.optimisation import PreferenceTraining

pytestmark = pytest.mark.usefixtures("prefect_server", "rlhf_home")


def smoke(*overrides: str, **given: object) -> DPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


def runs_by_level() -> dict[str, list]:
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("dpo")
    found: dict[str, list] = {}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        found.setdefault(run.data.tags["level"], []).append(run)
    return found


def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    report = dpo(smoke("ppo.sweep_targets=[3]", arms=list(ARMS)))
    assert {row["arm"] for row in report.leaderboard} == {
        *ARMS, "dpo-beta-1", "ppo-kl-3", "ppo_gt-kl-3", "demonstrations"
    }  # fmt: skip
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    assert all(row["n_prompts"] > 0 for row in report.verdicts), "a claim names an arm that is never scored"
    assert report.failures == {}

    levels = runs_by_level()
    assert len(levels["run"]) == 1
    root = levels["run"][0]
    assert root.info.status == "FINISHED"
    assert root.data.params["policy.beta"] == "0.1"
    assert root.data.tags["verdict.beats_sft"] in {"supported", "refuted", "inconclusive"}
    by_arm = {run.data.tags["arm"]: run for run in levels["arm"]}
    assert by_arm["dpo"].data.tags["mlflow.parentRunId"] == root.info.run_id
    assert "eval/gold/gold_reward" in by_arm["dpo"].data.metrics
    assert {"eval/gold/gold_reward", "eval/gold/proxy_reward"} <= by_arm["ppo_gt"].data.metrics.keys()
    assert (by_arm["ppo"].data.tags["mode"], by_arm["dpo"].data.tags["mode"]) == ("online", "offline")
    trained = next(run for run in levels["stage"] if run.info.run_name == "optimise_preferences")
    assert trained.inputs.dataset_inputs[0].dataset.name == "tldr-pairs"
    client = MlflowClient(tracking_uri())
    names = {artifact.path for artifact in client.list_artifacts(root.info.run_id)}
    assert {"leaderboard.json", "verdicts.json", "scores.csv", "report.html"} <= names


def test_every_arm_goes_through_the_benchmarks_and_every_logged_name_is_registered():
    suites = ("tiny_gold", "tiny_alpaca_eval", "tiny_reward_bench")
    arms = ("sft", "dpo")
    report = dpo(smoke("benchmarks.limit=4", "sweep_betas=[]", arms=arms, suites=suites))
    assert report.failures == {}
    rows = {(row["suite"], row["arm"]): row for row in report.leaderboard}
    assert {(suite, arm) for suite in suites for arm in arms} <= set(rows)
    assert rows["tiny_reward_bench", "sft"]["n_prompts"] == rows["tiny_reward_bench", "dpo"]["n_prompts"]

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    logged = {name for one in found for name in one.data.metrics}
    assert {"train/loss", "eval/gold/gold_reward", "eval/tiny_alpaca_eval/win_rate", "held_out/margin"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []

    arm = next(one for one in found if one.info.run_name == "dpo-s0" and one.data.tags["level"] == "arm")
    stage = next(one for one in found if one.info.run_name == "optimise_preferences")
    assert checkpoint_of_run(arm.info.run_id) == checkpoint_of_run(stage.info.run_id)
    with pytest.raises(UserError, match=r"trained no checkpoint; below it these do: .*dpo-s0"):
        checkpoint_of_run(report.mlflow_run_id)


def test_a_benchmark_whose_files_are_missing_ends_the_run_before_it_begins():
    with pytest.raises(UserError, match=r"gsm8k: no file or folder gone"):
        dpo(smoke("benchmarks.data=gone", suites=("gsm8k",)))
    with pytest.raises(UserError, match="alpaca_eval"):
        dpo(smoke(suites=("alpaca_eval",)))


def test_a_second_run_computes_nothing_again_and_another_beta_only_its_own():
    first = dpo(smoke())
    before = len(runs_by_level()["stage"])
    again = dpo(smoke())
    assert len(runs_by_level()["stage"]) == before
    assert again.leaderboard == first.leaderboard
    dpo(smoke("policy.beta=0.2"))
    new = [run.info.run_name for run in runs_by_level()["stage"]][: len(runs_by_level()["stage"]) - before]
    assert "pretrain" not in new
    assert "finetune_supervised" not in new
    assert new.count("optimise_preferences") == 1


def test_a_loss_that_is_not_finite_ends_in_one_line(tmp_path):
    tokenizer = build_tokenizer()
    model = build_from_scratch(ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64), tokenizer, seed=0)
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    save_model(model, tokenizer, tmp_path / "broken")
    report = dpo(smoke(f"model.path={tmp_path / 'broken'}", arms=["sft", "dpo"]))
    assert "loss became nan at step 1 with learning_rate" in report.failures["sft-s0"]
    assert report.failures["dpo-s0"] == "needs a stage that failed in sft-s0"
    assert {row["arm"] for row in report.leaderboard} == {"demonstrations"}
    assert {row["outcome"] for row in report.verdicts} == {"inconclusive"}
    statuses = {run.data.tags["arm"]: run.info.status for run in runs_by_level()["arm"]}
    assert statuses["sft"] == "FAILED"
    assert statuses["demonstrations"] == "FINISHED"


def test_real_pairs_train_a_model_of_their_own_and_test_the_implicit_reward(tmp_path):
    path = tmp_path / "pairs.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        for index in range(60):
            prompt = f"\n\nHuman: what is {index} plus one?\n\nAssistant:"
            row = {"chosen": f"{prompt} It is {index + 1}.", "rejected": f"{prompt} I do not know."}
            stream.write(json.dumps(row) + "\n")
    report = dpo(smoke("evaluation.temperatures=[]", data=str(path), arms=["sft", "dpo", "ppo"]))
    assert report.failures == {}
    assert "proxy_reward" in next(row for row in report.leaderboard if row["arm"] == "ppo")
    accuracy = next(row for row in report.verdicts if row["claim"] == "implicit_reward_generalises")
    assert accuracy["n_prompts"] > 5
    assert 0.0 <= accuracy["effect"] <= 1.0


def test_the_sweep_goes_with_the_papers_own_arm():
    assert set(objectives_of(DPOConfig(sweep_betas=[0.1, 0.5]))) == {"dpo", "cdpo", "ipo", "dpo-beta-0.5"}
    assert set(objectives_of(DPOConfig(arms=["ipo"]))) == {"ipo"}


def test_ppo_on_the_true_reward_is_refused_where_there_is_none():
    with pytest.raises(UserError, match=r"ppo_gt maximises the true reward, which the tiny world alone has"):
        smoke(data="org/name", arms=["ppo_gt"])
    assert "ppo_gt" not in smoke(data="org/name").arms
    assert "ppo" in smoke(data="org/name").arms


def test_the_frontier_of_ppo_is_its_checkpoints_at_every_target_kl():
    swept = PPOComparison(sweep_targets=[6.0, 12.0])
    assert {name: swept.method(target).kl.target for name, target in swept.targets("ppo").items()} == {
        "ppo": 6.0,
        "ppo-kl-12": 12.0,
    }
    points = frontiers_of(swept)["ppo_gt"]
    assert points[:2] == ("ppo_gt@0%", "ppo_gt@25%")
    assert {"ppo_gt", "ppo_gt-kl-12"} <= set(points)


def test_claims_have_distinct_keys_and_a_table():
    claims = claims_of(DPOConfig())
    assert len({claim.key for claim in claims}) == len(claims) == 14
    assert verdict_table([], []).empty


def test_a_sweep_of_one_and_a_single_checkpoint_claim_no_trend():
    training = PreferenceTraining(snapshots=1)
    keys = {claim.key for claim in claims_of(DPOConfig(sweep_betas=[], training=training))}
    assert "beats_sft" in keys
    assert not keys & {"beta_sets_kl", "more_pairs_more_reward"}
    sampled = {claim.key for claim in claims_of(DPOConfig(evaluation={"temperatures": []}))}
    assert "frontier_above_ppo" in sampled
    assert not sampled & {"beats_ppo_greedily", "robust_to_temperature"}
