"""The INPO paper at smoke scale, for real: objectives, oracles and choices of its arms, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.preference.inpo import ORACLES, PAPER, INPOConfig, Oracles, arms_of, claims_of, inpo
from flows.preference.inpo_claims import ARMS
from flows.preference.inpo_cyclic import ARMS as CYCLIC
from flows.preference.inpo_cyclic import STYLES
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO


def smoke(*overrides: str, **given: object) -> INPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = inpo(config)
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard} == {*config.arms, "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm that is never scored"

    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    rounds = [run for run in found if run.info.run_name == "optimise_on_fresh_pairs"]
    of_arms = sorted(arms[run.data.tags["mlflow.parentRunId"]]["arm"] for run in rounds)
    assert of_arms == sorted(2 * [name for name in config.arms if name != "sft"])
    logged = {name for run in found for name in run.data.metrics}
    assert {"train/sppo/step", "train/rewards/margin", "eval/token_kl"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_the_claims_on_the_reward_model(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = inpo(smoke(data=str(path)))
    assert report.failures == {}
    assert [row["claim"] for row in report.verdicts] == ["proxy_beats_dpo", "proxy_rises_with_rounds"]
    assert all(row["n_prompts"] > 5 for row in report.verdicts)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_circles_are_played_and_their_exploitability_is_scored():
    report = inpo(smoke("world.family=instruct", arms=["sft", "cyclic_dpo", "cyclic_inpo"]))
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard if row["suite"] == STYLES} == set(CYCLIC)
    assert [row["claim"] for row in report.verdicts] == ["less_exploitable", "exploitability_falls"]
    assert all(row["n_prompts"] == 8 for row in report.verdicts)


def test_arms_differ_in_objective_and_oracle_alone():
    config = INPOConfig(arms=list(ARMS))
    assert PAPER.arms.keys() == ARMS.keys() | CYCLIC.keys()
    arms = arms_of(config, Oracles(["reward model"], ["pairwise model"]))
    assert arms.keys() == ORACLES.keys() == ARMS.keys() - {"sft"}
    assert {name: one.fitted[0] for name, one in arms.items()} == {
        name: {"rm": "reward model", "pm": "pairwise model"}[oracle] for name, oracle in ORACLES.items()
    }
    kinds = {name: (one.labeller.kind, one.fresh.choice.kind) for name, one in arms.items()}
    assert kinds["inpo_rm"] == kinds["inpo_rm_no_kl"] == kinds["iterative_dpo_rm"] == ("reward", "best_worst")
    assert kinds["inpo_pm"] == kinds["inpo_no_kl"] == kinds["iterative_dpo_pm"] == ("pairwise", "tournament")
    assert kinds["sppo"] == ("pairwise", "best_worst")
    for one in arms.values():
        assert one.training == config.a_round
        assert one.fresh.model_copy(update={"choice": config.fresh.choice}) == config.fresh
    assert arms["inpo_no_kl"].objective == INPO(tau_eta_ratio=0.0)
    assert arms["iterative_dpo_pm"].objective == DPO()


def test_the_gpu_section_is_the_paper_s():
    config = load_config(PAPER, "gpu")
    assert (config.policy.eta, config.policy.tau_eta_ratio) == (0.005, pytest.approx(1 / 3))
    assert (config.fresh.per_prompt, config.rounds, config.training.batch_size) == (8, 3, 128)
    assert (config.training.learning_rate, config.training.schedule) == (5e-7, "cosine")
    assert config.training.warmup_steps == pytest.approx(0.03 * config.a_round.max_steps, abs=1.0)
    assert config.prompts_of_a_round == pytest.approx(20_000, rel=0.01)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["fresh.choice={kind: tournament}"], "arms choose by their oracle"),
        (["fresh.per_prompt=6"], "choice tournament wants 4, 8, 16"),
        (["policy.tau_eta_ratio=0"], "leave them out of arms"),
        (["fresh.reference=moving"], "leave it at fixed"),
        (["rounds=3"], "cannot be shared out over rounds 3"),
        (["arms=[cyclic_inpo]"], "cyclic_inpo needs styles that beat each other in a circle"),
        (["arms=[cyclic_dpo]", "world.family=instruct", "cyclic.steps_a_round=3"], "samples from 24 prompts"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(overrides, said):
    with pytest.raises(UserError, match=said):
        smoke(*overrides)


def test_arms_by_rewards_alone_take_any_number_of_responses():
    assert smoke("fresh.per_prompt=6", "arms=[inpo_rm, iterative_dpo_rm]").fresh.per_prompt == 6


def test_every_round_s_policy_is_claimed_to_beat_the_one_before():
    claims = {claim.key: claim for claim in claims_of(INPOConfig(arms=list(ARMS)))}
    assert next(iter(claims)) == "beats_dpo"
    assert len(claims) == 12
    played = [claims[f"round_{number}_beats_the_one_before"].evidence for number in (1, 2, 3)]
    assert [(one.arm, one.baseline) for one in played] == [
        ("inpo_pm@33%", "inpo_pm@0%"), ("inpo_pm@67%", "inpo_pm@33%"), ("inpo_pm", "inpo_pm@67%")
    ]  # fmt: skip
