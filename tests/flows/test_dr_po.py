"""The DR-PO paper at smoke scale, for real: arms that differ in where rollouts start, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.reinforcement.dr_po import PAPER, STARTS, WHITENED, DRPOConfig, claims_of, dr_po, methods_of
from flows.reinforcement.dr_po_claims import ARMS
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.starts import FromPrompt


def smoke(*overrides: str, **given: object) -> DRPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    report = dr_po(smoke())
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard} == {*ARMS, "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm that is never scored"

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    stages = [run for run in found if run.info.run_name == "optimise_policy"]
    trained = {arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run for run in stages}
    assert trained.keys() == STARTS.keys() | WHITENED.keys()
    assert {tags["mode"] for tags in arms.values() if tags["arm"] in trained} == {"online"}
    assert trained["ppo"].data.metrics["train/forced_tokens"] == 0.0
    assert trained["dr_po"].data.metrics["train/forced_tokens"] >= 1.0
    assert trained["ppo_plus_plus"].data.metrics["train/forced_tokens"] >= 1.0
    tokens = {name: run.data.metrics["cost/tokens"] for name, run in trained.items()}
    assert tokens["dr_po"] < tokens["ppo"], "a reset must never make an arm sample more"
    assert trained["dr_po"].inputs.dataset_inputs[0].dataset.name == "tldr-demonstrations"

    names = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"leaderboard.json", "verdicts.json", "scores.csv", "report.html", "over_optimisation.json"} <= names
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_the_claims_on_the_reward_model(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = dr_po(smoke(data=str(path), arms=["ppo", "dr_po"]))
    assert report.failures == {}
    assert {row["claim"] for row in report.verdicts} == {"higher_proxy_reward", "proxy_frontier_above_ppo"}
    assert all(row["n_prompts"] > 5 for row in report.verdicts)


def test_arms_differ_in_their_start_or_in_whitening_alone():
    config = DRPOConfig(arms=list(ARMS))
    methods = methods_of(config)
    assert methods.keys() == STARTS.keys() | WHITENED.keys() == ARMS.keys() - {"sft", "dpo"}
    assert methods["ppo"] == config.method
    for name in STARTS:
        assert methods[name].model_copy(update={"start": FromPrompt()}) == config.method
    for name, base in WHITENED.items():
        assert methods[name].advantage.reward_whitening
        assert methods[name].model_copy(update={"advantage": config.method.advantage}) == methods[base]
    assert all(PolicyGradient.model_validate(one.model_dump()) == one for one in methods.values())
    assert set(methods_of(DRPOConfig(arms=["sft", "dr_po_0.5"]))) == {"dr_po_0.5"}


def test_the_gpu_section_is_the_paper_s():
    config = load_config(PAPER, "gpu")
    assert (config.method.kl.coefficient, config.method.value.coefficient) == (0.05, 0.1)
    assert config.method.missing_eos is not None
    assert config.method.missing_eos.score == -1.0
    assert (config.training.rollouts, config.training.inner_epochs, config.training.minibatches) == (512, 4, 1)
    assert (config.training.learning_rate, config.training.schedule, config.training.final_rate) == (3e-6, "linear", 0)
    assert (config.model.lora_rank, config.model.lora_alpha, config.dpo.beta) == (1024, 2048, 0.05)


def test_a_method_that_arms_cannot_change_is_refused():
    with pytest.raises(UserError, match=r"method.start dataset_reset: every arm has a start of its own"):
        smoke("method.start={kind: dataset_reset}")
    with pytest.raises(ValidationError, match=r"batch_baseline has no token rewards to whiten.*dr_po_whitened"):
        DRPOConfig(method={"advantage": {"kind": "batch_baseline"}}, arms=["dr_po_whitened"])
    with pytest.raises(UserError, match="references = 'others'"):
        smoke("references=others")


def test_win_rates_are_greedy_where_the_arms_are_decoded_so():
    first, *_ = claims_of(DRPOConfig())
    assert (first.key, first.evidence.arm, first.evidence.baseline) == ("beats_ppo", "dr_po@T0", "ppo@T0")
    sampled, *_ = claims_of(DRPOConfig(evaluation={"temperatures": []}))
    assert (sampled.evidence.arm, sampled.evidence.baseline) == ("dr_po", "ppo")
    assert len({claim.key for claim in PAPER.claims}) == len(PAPER.claims) == 11
