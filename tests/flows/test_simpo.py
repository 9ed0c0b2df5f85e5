"""The SimPO paper at smoke scale, for real: arms that differ in their objective, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.preference.simpo import PAPER, SimPOConfig, claims_of, objectives_of, simpo, training_of, tuned_as
from flows.preference.simpo_claims import ARMS
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric


def smoke(*overrides: str, **given: object) -> SimPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    report = simpo(smoke())
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard} == {*ARMS, "simpo-margin-1.5", "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    unheard = {row["claim"]: row["reason"] for row in report.verdicts if not row["n_prompts"]}
    assert all("length control needs wins and losses" in reason for reason in unheard.values()), unheard

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    trained = {
        arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run
        for run in found
        if run.info.run_name == "optimise_preferences"
    }
    assert trained.keys() == {*ARMS, "simpo-margin-1.5"} - {"sft"}
    assert {tags["mode"] for tags in arms.values() if tags["arm"] in trained} == {"offline"}
    assert trained["simpo"].inputs.dataset_inputs[0].dataset.name == "instruct-pairs"
    assert {run.data.metrics["cost/tokens"] for run in trained.values()} == {
        trained["simpo"].data.metrics["cost/tokens"]
    }
    by_arm = {run.data.tags["arm"]: run for run in found if run.info.run_id in arms}
    assert "eval/held_out_pairs/likelihood_accuracy" in by_arm["simpo"].data.metrics
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_the_claims_on_length_and_likelihood(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {
            "prompt": f"What is {index} plus one?",
            "chosen": f"It is {index + 1}." + " I hope this helps." * (index % 3),
            "rejected": "I do not know.",
        }
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    arms = ["sft", "dpo", "simpo", "simpo_no_length_norm"]
    report = simpo(smoke("sweep_margins=[]", data=str(path), arms=arms))
    assert report.failures == {}
    assert {row["claim"] for row in report.verdicts} == {
        "no_longer_than_dpo",
        "normalisation_curbs_length",
        "normalisation_lowers_length_correlation",
        "lower_length_correlation_than_dpo",
        "dpo_reward_is_not_likelihood",
        "ranks_pairs_better_than_dpo",
    }
    assert all(row["n_prompts"] > 0 for row in report.verdicts)


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_arms_may_be_tuned_alike_before_they_are_compared():
    report = simpo(smoke("tuning.trials=2", arms=["sft", "dpo", "simpo", "simpo_gamma_0"]))
    assert report.failures == {}
    assert {row["tuned"] for row in report.verdicts} == {"2 trials each: dpo, simpo"}
    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    trials = {run.data.tags["arm"] for run in found if "-trial-" in run.data.tags.get("arm", "")}
    assert trials == {"dpo-trial-0", "dpo-trial-1", "simpo-trial-0", "simpo-trial-1"}
    arms = {run.info.run_id: run.data.tags["arm"] for run in found if run.data.tags["level"] == "arm"}
    own = {
        arms[run.data.tags["mlflow.parentRunId"]]: run.data.params
        for run in found
        if run.info.run_name == "optimise_preferences"
    }
    differences = [
        {
            name
            for name in own[trial]
            if name.startswith(("objective.", "training.")) and own[trial][name] != own["simpo_gamma_0"][name]
        }
        for trial in ("simpo-trial-0", "simpo-trial-1")
    ]
    assert all("training.learning_rate" in own[trial] for trial in ("simpo-trial-0", "simpo_gamma_0"))
    assert {"objective.gamma_beta_ratio"} in differences, "the other margin takes the settings of SimPO's best trial"


def test_other_margins_take_simpo_s_settings_where_simpo_is_compared():
    assert tuned_as("simpo-margin-1.5", ["dpo", "simpo"]) == "simpo"
    assert tuned_as("simpo_gamma_0", ["dpo", "simpo_gamma_0"]) == "simpo_gamma_0"
    assert tuned_as("dpo", ["dpo", "simpo"]) == "dpo"


def test_the_paper_s_ablations_change_one_thing():
    config = SimPOConfig(arms=list(ARMS), sweep_margins=[0.5, 1.0])
    objectives = objectives_of(config)
    assert objectives.keys() == {*ARMS, "simpo-margin-1"} - {"sft"}
    assert objectives["simpo_gamma_0"].model_copy(update={"gamma_beta_ratio": 0.5}) == objectives["simpo"]
    unnormalised = objectives["simpo_no_length_norm"]
    assert not unnormalised.length_normalisation
    assert unnormalised.beta * unnormalised.gamma_beta_ratio == config.policy.beta * config.policy.gamma_beta_ratio
    assert set(objectives_of(SimPOConfig(arms=["dpo"]))) == {"dpo"}


def test_arms_without_a_reference_may_have_a_learning_rate_of_their_own():
    config = SimPOConfig(reference_free_learning_rate=1e-3)
    assert training_of(config, config.policy).learning_rate == 1e-3
    assert training_of(config, config.dpo) == config.training
    assert training_of(SimPOConfig(), config.policy) == SimPOConfig().training


def test_the_scenario_is_the_one_with_a_length_confound():
    for scale in ("smoke", "laptop"):
        world = load_config(PAPER, scale).world
        assert (world.family, world.label_by) == ("instruct", "judge")


def test_the_gpu_section_is_the_paper_s():
    config = load_config(PAPER, "gpu")
    assert (config.policy.beta, config.policy.gamma_beta_ratio, config.dpo.beta) == (2.0, 0.8, 0.01)
    margins = [one.beta * one.gamma_beta_ratio for one in (config.policy, config.unnormalised)]
    assert margins == pytest.approx([1.6, 1.6])
    assert (config.training.batch_size, config.training.schedule, config.training.epochs) == (128, "cosine", 1)
    assert config.data.split == "train_prefs"


def test_a_policy_without_normalisation_or_an_ablation_with_it_is_refused():
    with pytest.raises(UserError, match=r"policy.length_normalisation must stay on"):
        smoke("policy.length_normalisation=false")
    with pytest.raises(ValidationError, match=r"unnormalised.length_normalisation must stay off"):
        SimPOConfig(unnormalised={"beta": 0.2})


def test_claims_have_distinct_keys_and_those_on_missing_arms_are_not_judged():
    assert len({claim.key for claim in PAPER.claims}) == len(PAPER.claims) == 11
    assert PAPER.claims[0].key == "beats_dpo_at_equal_length"
    assert {claim.key for claim in claims_of(SimPOConfig(arms=["simpo"], sweep_margins=[]))} == {"beats_sft"}
