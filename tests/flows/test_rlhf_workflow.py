"""The RLHF Workflow paper at smoke scale, for real: rounds, their offline rivals, claims, tracking, HH pairs."""

import gzip
import json

import pytest
from mlflow import MlflowClient

from flows.preference.online import OnlineArm
from flows.preference.rlhf_workflow import PAPER, arms_of, base_arm, claims_of, rlhf_workflow, sweep_of
from flows.preference.rlhf_workflow_claims import ARMS
from flows.preference.rlhf_workflow_config import RLHFWorkflowConfig
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric

UNTELLABLE = {"penalty_wins_at_equal_length"}
"""At smoke scale policies do not learn to differ, and without wins and losses there is no length effect to fit."""


def smoke(*overrides: str, **given: object) -> RLHFWorkflowConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = rlhf_workflow(config)
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard} == {*config.arms, "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = {row["claim"] for row in report.verdicts if not row["n_prompts"]}
    assert unheard <= UNTELLABLE, "a claim names an arm that is never scored"
    assert all("proxy_reward" in row for row in report.leaderboard if row["arm"] != "demonstrations")

    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    rounds: dict[str, list] = {}
    for run in found:
        if run.info.run_name == "optimise_on_fresh_pairs":
            rounds.setdefault(arms[run.data.tags["mlflow.parentRunId"]]["arm"], []).append(run)
    assert {name: len(runs) for name, runs in rounds.items()} == {
        "iterative_dpo": 2, "iterative_length_penalty": 2, "iterative_pairwise": 2, "iterative_weak_reward": 2,
        "offline_dpo_rm": 1,
    }  # fmt: skip
    steps = {run.data.params["training.max_steps"] for run in rounds["iterative_dpo"]}
    assert steps == {"2"}
    assert rounds["offline_dpo_rm"][0].data.params["training.max_steps"] == "4"
    assert rounds["offline_dpo_rm"][0].data.params["fresh.behaviour"] == "start"
    logged = {name for run in found for name in run.data.metrics}
    assert {"held_out/proxy_reward", "validation/chosen_step"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_hh_pairs_go_through_reward_model_and_rounds(tmp_path):
    path = tmp_path / "pairs.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        for index in range(60):
            prompt = f"\n\nHuman: what is {index} plus one?\n\nAssistant:"
            row = {"chosen": f"{prompt} It is {index + 1}.", "rejected": f"{prompt} I do not know."}
            stream.write(json.dumps(row) + "\n")
    report = rlhf_workflow(smoke(data=str(path)))
    assert report.failures == {}
    assert [row["claim"] for row in report.verdicts] == [
        "proxy_beats_offline", "reward_rises_with_rounds", "length_grows", "penalty_shortens"
    ]  # fmt: skip
    assert all(row["n_prompts"] > 5 for row in report.verdicts)
    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    seeds = [
        run.data.params["seed"]
        for run in found
        if run.info.run_name == "optimise_on_fresh_pairs"
        and arms[run.data.tags["mlflow.parentRunId"]]["arm"] == "iterative_dpo"
    ]
    assert len(set(seeds)) == len(seeds) == 2, "a prompt that comes again in a later round is answered anew"


def test_arms_change_one_thing_each():
    config = RLHFWorkflowConfig(
        arms=["iterative_dpo", "iterative_length_penalty", "iterative_moving_reference", "iterative_max_random",
              "iterative_max_max", "iterative_random"],
        sweep_responses=[2, 8, 4],
    )  # fmt: skip
    base = base_arm(config, [])
    assert sweep_of(config) == [2, 4]
    arms = arms_of(config, None, [])  # type: ignore[arg-type]
    assert arms["iterative_dpo"] == base
    changes = {name: changed(base, one) for name, one in arms.items() if name != "iterative_dpo"}
    assert changes == {
        "iterative_length_penalty": {"length_penalty": 0.02},
        "iterative_moving_reference": {"reference": "moving"},
        "iterative_max_random": {"choice": "best_other"},
        "iterative_max_max": {"choice": "best_other"},
        "iterative_random": {"choice": "random"},
        "iterative_dpo-n2": {"per_prompt": 2},
        "iterative_dpo-n4": {"per_prompt": 4},
    }
    assert (arms["iterative_max_random"].fresh.choice.other, arms["iterative_max_max"].fresh.choice.other) == (
        "random", "second"
    )  # fmt: skip


def changed(base: OnlineArm, one: OnlineArm) -> dict[str, object]:
    """What an arm does otherwise, and nothing if it has another objective, budget or reward model."""
    assert (one.objective, one.training, one.fitted) == (base.objective, base.training, base.fitted)
    pairs = [(base.labeller, one.labeller), (base.fresh, one.fresh)]
    found = {name: value for old, new in pairs for name, value in new if value != getattr(old, name)}
    return {name: getattr(value, "kind", value) for name, value in found.items()}


def test_the_budget_is_shared_out_over_the_rounds():
    config = load_config(PAPER, "laptop")
    assert (config.training.max_steps, config.a_round.max_steps) == (102, 34)
    assert config.prompts_of_a_round * config.rounds == config.prompts_of_a_run == 1632
    assert config.world.policy_prompts >= config.prompts_of_a_run <= config.world.pairs


def test_the_gpu_section_is_the_paper_s():
    config = load_config(PAPER, "gpu")
    assert (config.policy.beta, config.length_penalty, config.fresh.per_prompt, config.rounds) == (0.1, 0.001, 8, 3)
    assert (config.fresh.temperatures, config.fresh.passes, config.fresh.reference) == ([1.0, 0.7], 2, "fixed")
    assert (config.training.learning_rate, config.training.batch_size, config.training.schedule) == (
        5e-7, 128, "cosine"
    )  # fmt: skip
    assert config.prompts_of_a_round == pytest.approx(20_000, rel=0.01)
    assert (config.reward.training.learning_rate, config.reward.training.batch_size) == (2e-6, 512)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["training.max_steps=5"], "cannot be shared out over rounds 2"),
        (["fresh.behaviour=start"], "leave it at current"),
        (["fresh.refresh_every_steps=3"], "leave it at 1"),
        (["world.policy_prompts=20"], "the choice of iterative_best want 24"),
        (["world.policy_prompts=12"], "2 rounds sample from 16 prompts"),
        (["world.pairs=12"], "offline arms want as many"),
        (["weak_pairs=24"], "must be fewer than world.pairs 24"),
        (["sweep_responses=[3]"], "cannot be shared out equally"),
        (["arms=[iterative_biased_reward]"], "world.family instruct alone"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(overrides, said):
    with pytest.raises(UserError, match=said):
        smoke(*overrides)


def test_the_length_biased_reward_is_a_judge_s_and_its_claims_are_asked():
    config = smoke("world.family=instruct", "arms=[iterative_dpo, iterative_biased_reward]")
    assert {"biased_reward_lengthens", "biased_reward_hurts"} <= {claim.key for claim in claims_of(config)}
    assert set(ARMS) >= set(config.arms)


def test_claims_are_named_once_and_a_sweep_of_one_claims_no_trend():
    claims = claims_of(RLHFWorkflowConfig(arms=[name for name in ARMS if name != "iterative_biased_reward"]))
    keys = [claim.key for claim in claims]
    assert keys[0] == "beats_offline"
    assert len(set(keys)) == len(keys) == 11
    assert "more_responses_help" not in {claim.key for claim in claims_of(RLHFWorkflowConfig(sweep_responses=[]))}
