"""The SuperHF paper at smoke scale, for real: sweeps, two reward models, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.preference.superhf import PAPER, SuperHFConfig, claims_of, equal_samples, superhf
from flows.preference.superhf_claims import ARMS
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.evaluation.metrics import find_metric


def smoke(*overrides: str, **given: object) -> SuperHFConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = superhf(config)
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard} == {*config.arms, *config.methods, "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm that is never scored"
    assert all(row["test_reward"] is not None for row in report.leaderboard if row["arm"] in config.arms)

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    trained = {
        arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run
        for run in found
        if run.info.run_name == "optimise_superhf"
    }
    assert trained.keys() == config.methods.keys()
    tokens = {name: run.data.metrics["cost/tokens"] for name, run in trained.items()}
    assert tokens["superhf-s-1"] < tokens["superhf"] / 2
    last = trained["superhf"].data.metrics
    assert last["train/chosen_score"] >= last["train/score"]
    fitted = [run for run in found if run.info.run_name == "fit_reward"]
    assert {arms[run.data.tags["mlflow.parentRunId"]]["arm"] for run in fitted} == {"reward", "test_reward"}
    data = [run.inputs.dataset_inputs[0].dataset.name for run in fitted]
    assert sorted(data) == ["tldr-pairs-test-half", "tldr-pairs-train-half"]
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_the_claims_on_the_reward_models(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(80)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = superhf(smoke(data=str(path), arms=["superhf", "rft", "best_of_n"]))
    assert report.failures == {}
    assert {row["claim"] for row in report.verdicts} == {"beats_best_of_n", "beats_start", "iterating_helps"}
    assert all(row["n_prompts"] > 5 for row in report.verdicts)


def test_sweeps_change_one_number_and_hold_the_paper_s_arm_in_their_order():
    config = SuperHFConfig()
    sweeps = {sweep: list(arms) for sweep, arms in config.sweeps.items()}
    assert sweeps == {
        "weights": ["superhf-kl-0", "superhf-kl-0.05", "superhf-kl-0.2", "superhf"],
        "superbatches": ["superhf-s-1", "superhf-s-4", "superhf", "superhf-s-64"],
        "groups": ["superhf-p-1", "superhf", "superhf-p-8"],
    }
    for arms in config.sweeps.values():
        for name, method in arms.items():
            changed = {
                field for field in type(method).model_fields if getattr(method, field) != getattr(config.method, field)
            }
            assert len(changed) == (name != "superhf")
    assert config.methods["rft"].prompts_a_group == 0
    assert set(SuperHFConfig(arms=["sft", "rft"]).methods) == {"rft"}


def test_ppo_may_sample_as_much_as_superhf():
    config = SuperHFConfig()
    training = equal_samples(config)
    assert training.iterations * training.rollouts == config.method.superbatch * config.training.prompts


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_all_arms_are_sampled_alike_in_training_and_evaluation(scale, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    for config in (load_config(PAPER, scale), load_config(PAPER, scale, data=str(path))):
        decodings = (config.training.decoding, config.ppo.training.decoding, config.evaluation.decoding)
        assert [(one.temperature, one.top_p) for one in decodings] == [(1.0, 0.95)] * 3


def test_the_gpu_section_is_the_paper_s():
    config = load_config(PAPER, "gpu")
    method, training = config.method, config.training
    assert (method.superbatch, method.prompts_a_group, method.kept, method.objective.kl_weight) == (16, 2, 1, 0.35)
    assert method.objective.kl_over_examples == "sum"
    assert (training.prompts, training.learning_rate, training.minibatch, training.warmup_steps) == (10000, 2e-5, 2, 32)
    assert (training.schedule, training.decoding.top_p, training.decoding.max_new_tokens) == ("cosine", 0.95, 64)
    assert (config.ppo.kl_coefficient, config.ppo.training.learning_rate) == (0.2, 1e-5)
    assert config.ppo.training.iterations * config.ppo.training.rollouts == training.prompts
    assert (config.model.lora_rank, config.model.lora_alpha) == (4, 32.0)


def test_prompts_and_superbatches_must_be_enough():
    with pytest.raises(ValidationError, match=r"training\.prompts 1600 are taken once each.*draws 64"):
        SuperHFConfig(world={"policy_prompts": 64})
    with pytest.raises(ValidationError, match=r"sweep_superbatches 1 is less than method\.kept 2"):
        SuperHFConfig(method={"kept": 2})


def test_claims_are_those_that_the_run_can_settle():
    assert len({claim.key for claim in PAPER.claims}) == len(PAPER.claims) == 11
    assert PAPER.claims[0].key == "beats_ppo"
    alone = {claim.key for claim in claims_of(SuperHFConfig(arms=["superhf"], seeds=[0], sweep_weights=[0.35]))}
    assert alone == {"beats_start", "true_reward_rises", "superbatch_helps", "smaller_groups_help"}
    assert ARMS.keys() == set(SuperHFConfig().arms)
