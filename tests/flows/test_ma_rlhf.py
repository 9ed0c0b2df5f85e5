"""The MA-RLHF paper at smoke scale, for real: arms, claims, tracking, what an arm changes, bad settings."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from flows.reinforcement.ma_rlhf import PAPER, MARLHFConfig, claims_of, every_method, ma_rlhf, methods_of
from flows.reinforcement.ma_rlhf_claims import ARMS, RULES
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.evidence_over_training import StepsToTarget
from tasks.evaluation.metrics import find_metric
from tasks.policy.steps.termination_rules import FixedNGram

HERE = pytest.mark.usefixtures("prefect_server", "rlhf_home")


def configured(*overrides: str, scale: str = "smoke", **given: Any) -> MARLHFConfig:
    config = load_config(PAPER, scale, list(overrides), **given)
    assert isinstance(config, MARLHFConfig)
    return config


def changed(name: str) -> dict[str, Any]:
    """The steps of an arm's method that are not PPO's."""
    methods = every_method(MARLHFConfig())
    arm, vanilla = methods[name].model_dump(), methods["ppo"].model_dump()
    return {step: value for step, value in arm.items() if value != vanilla[step]}


@HERE
def test_a_run_compares_every_arm_judges_the_claims_and_is_tracked() -> None:
    report = ma_rlhf(configured())
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard} == {*ARMS, "demonstrations"}
    assert all(row["proxy_reward"] is not None for row in report.leaderboard if row["arm"] != "demonstrations")
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    assert all(row["n_prompts"] > 0 for row in report.verdicts), "a claim names an arm that is never scored"

    client = MlflowClient(tracking_uri())
    runs = client.search_runs([report.experiment_id], max_results=1000)
    stages = Counter(run.info.run_name for run in runs if run.data.tags["level"] == "stage")
    assert stages["fit_reward"] == 1, "all arms share the reward model"
    assert stages["optimise_policy"] == len(ARMS) - 1
    logged = {name for run in runs for name in run.data.metrics}
    assert {"train/action_tokens", "eval/gold/proxy_reward", "eval/gold/token_kl"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []
    arms = {run.info.run_id: run.data.tags for run in runs if run.data.tags["level"] == "arm"}
    tokens = {
        arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run.data.metrics["train/action_tokens"]
        for run in runs
        if run.info.run_name == "optimise_policy"
    }
    assert 1.0 == tokens["ppo"] < tokens["ma_3"] < tokens["ma_5"] < tokens["ma_10"] < tokens["ma_inf"]
    assert {tags["mode"] for tags in arms.values() if tags["arm"] in tokens} == {"online"}
    names = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"verdicts.json", "over_optimisation.json", "report.html"} <= names


@HERE
def test_the_true_reward_takes_the_place_of_a_reward_model() -> None:
    settings = ("rewarded_by=gold", "method.value.start=policy", "world.family=gsm", "evaluation.temperatures=[]")
    report = ma_rlhf(configured(*settings, arms=["ppo", "ma_5"]))
    assert report.failures == {}
    rows = [row for row in report.leaderboard if row["arm"] != "demonstrations"]
    assert {row["arm"] for row in rows} == {"sft", "ppo", "ma_5"}
    assert all(row["proxy_reward"] == row["gold_reward"] for row in rows)


@HERE
def test_real_pairs_settle_the_claims_on_the_reward_model(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        for index in range(60):
            prompt = f"\n\nHuman: what is {index} plus one?\n\nAssistant:"
            row = {"chosen": f"{prompt} It is {index + 1}.", "rejected": f"{prompt} I do not know."}
            stream.write(json.dumps(row) + "\n")
    report = ma_rlhf(configured(data=str(path), arms=["ppo", "ma_5"]))
    assert report.failures == {}
    judged = {row["claim"]: row["n_prompts"] for row in report.verdicts}
    assert judged["reaches_ppo_sooner"] > 0
    assert judged["higher_rm_score_at_equal_kl"] > 0
    assert not any("gold" in key or "temperature" in key for key in judged)


@HERE
def test_a_parser_that_does_not_answer_ends_the_run_before_it_begins() -> None:
    with pytest.raises(UserError, match=r"no parse from a Stanford CoreNLP server at http://localhost:9 "):
        ma_rlhf(configured("parse.parser={kind: corenlp, url: 'http://localhost:9'}"))


@pytest.mark.parametrize(
    ("overrides", "data", "said"),
    [
        (["method.actions.kind=whole_response"], "", "the arms set what an action is"),
        (["rewarded_by=gold"], "", "rewarded_by gold fits no reward model"),
        (["rewarded_by=gold"], "org/name", "real data has no true reward"),
        (["arms=[ppo, ma_parse]"], "org/name", "the tiny world's grammar cannot parse real text"),
        (["training.decoding.temperature=0"], "", "a policy gradient needs samples"),
        (["random_ngram.lengths=[]"], "", "random_ngram.lengths"),
        (["arms=[ma_4]"], "", "arms"),
    ],
)
def test_settings_that_cannot_run_are_refused(overrides: list[str], data: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        configured(*overrides, data=data)


def test_methods_without_a_lambda_or_a_ratio_are_refused() -> None:
    method = MARLHFConfig().method.model_dump()
    with pytest.raises(ValueError, match=r"arms differ in lambda"):
        MARLHFConfig.model_validate({"method": {**method, "advantage": {"kind": "leave_one_out"}}})
    with pytest.raises(ValueError, match=r"arms differ in the ratio"):
        MARLHFConfig.model_validate({"method": {**method, "policy_loss": {"kind": "score_function"}}})


def test_an_arm_changes_the_step_under_test_and_nothing_else() -> None:
    every = every_method(MARLHFConfig())
    assert set(every) == set(ARMS) - {"sft"}
    assert {name: set(changed(name)) for name in every} == {
        "ppo": set(),
        "ppo_lambda_0.99": {"advantage"},
        "ppo_lambda_1": {"advantage"},
        **{name: {"actions"} for name in ("ma_3", "ma_5", "ma_10", "ma_inf", *RULES)},
        **{name: {"actions", "pooling"} for name in ("ma_5_last", "ma_5_position", "ma_5_code")},
        "ma_5_joint": {"actions", "policy_loss"},
    }
    assert changed("ppo_lambda_1")["advantage"]["gae_lambda"] == 1.0
    assert changed("ma_5_code") == {
        "actions": FixedNGram(length=5, released_code=True).model_dump(),
        "pooling": {"rewards": "mean", "values": "equal"},
    }
    assert changed("ma_5_joint")["policy_loss"]["ratio"] == "macro"


def test_every_arm_can_be_asked_for_and_runs_somewhere() -> None:
    for name in ARMS:
        assert set(methods_of(MARLHFConfig(arms=[name]))) == ({name} - {"sft"})
    assert set(configured().arms) == set(ARMS)
    assert configured(scale="laptop").arms == ["sft", "ppo", "ppo_lambda_1", "ma_5", "ma_inf"]
    assert set(configured(scale="gpu").arms) == set(ARMS) - {"ma_parse"}


def test_the_main_claim_is_speed_by_the_reward_model_and_counts_every_snapshot() -> None:
    first = claims_of(MARLHFConfig())[0]
    assert first.key == "reaches_ppo_sooner"
    assert isinstance(first.evidence, StepsToTarget)
    assert first.evidence.metric == "proxy_reward"
    assert first.evidence.points == ("ma_5@0%", *(f"ma_5@{10 * part}%" for part in range(1, 10)), "ma_5")
    assert (first.evidence.steps[0], first.evidence.steps[-1]) == (0.0, 1.0)


def test_claims_name_only_rules_and_temperatures_that_run() -> None:
    every = {claim.key for claim in claims_of(MARLHFConfig())}
    fewer = {claim.key for claim in claims_of(configured("evaluation.temperatures=[]", arms=["ppo", "ma_5"]))}
    assert every - fewer == {
        "other_rules_beat_ppo", "holds_over_temperatures", "whole_response_beats_ppo", "intermediate_length_is_best",
        "less_decay_helps_ppo", "more_than_less_decay",
    }  # fmt: skip
    assert fewer < every
