"""The direct-alignment scaling laws at smoke scale, for real: runs, laws, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.scales import load_config
from flows.studies.daa_scaling_laws import PAPER, curves_of, daa_scaling_laws, runs_of
from flows.studies.daa_scaling_laws_claims import claims_of
from flows.studies.daa_scaling_laws_settings import DAAScalingLawsConfig
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.objectives.beta_ipo import BetaIPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO

FITS = "log_form_fits_better"
"""An untrained model never wins, so at smoke scale every form fits its win rates exactly and none fits better."""


def smoke(*overrides: str, **given: object) -> DAAScalingLawsConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_trains_every_budget_fits_laws_and_is_tracked():
    config = smoke()
    report = daa_scaling_laws(config)
    assert report.failures == {}
    names = {run.name for run in runs_of(config)}
    own = {name for name in names if not name.endswith("-small")}
    by_suite: dict[str, set[str]] = {}
    for row in report.leaderboard:
        by_suite.setdefault(row["suite"], set()).add(row["arm"])
    assert by_suite["gold"] == own | {"sft", "demonstrations"}
    assert by_suite["gold_small"] == (names - own) | {"sft-small", "demonstrations"}
    assert by_suite["held_out_pairs"] == by_suite["length"] == names
    assert by_suite["tree"] == {"tree-dpo", "tree-ipo", "tree-slic"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    assert {row["claim"] for row in report.verdicts if not row["n_prompts"]} == {FITS}

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    stages = [run for run in found if run.info.run_name == "optimise_preferences"]
    assert len(stages) == len(names)
    pairs = {run.inputs.dataset_inputs[0].dataset.digest for run in stages}
    assert len(pairs) == 1, "every size and objective must see the same pairs"
    files = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"scaling_laws_fits.json", "scaling_laws_points.json", "report.html"} <= files
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_what_needs_no_true_reward(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = daa_scaling_laws(smoke("sizes=[]", data=str(path), arms=["dpo", "ipo"]))
    assert report.failures == {}
    verdicts = {row["claim"]: row for row in report.verdicts}
    assert verdicts.keys() == {"ipo_keeps_lower_kl", "length_explains_tight_budgets"}
    assert verdicts["ipo_keeps_lower_kl"]["n_prompts"] > 5
    assert verdicts["length_explains_tight_budgets"]["n_prompts"] == 1


def test_runs_are_ordered_from_the_tightest_budget_to_the_widest():
    config = smoke()
    assert [run.beta for run in config.runs("dpo")] == [0.5, 0.05]
    assert config.runs("ipo", config.sizes[0]) == []
    assert config.runs("dpo", config.sizes[0])[-1].points(4) == (
        "dpo-beta-0.05-small@25%", "dpo-beta-0.05-small@50%", "dpo-beta-0.05-small@75%", "dpo-beta-0.05-small",
    )  # fmt: skip
    assert config.objective("ipo", 0.05) == BetaIPO(beta=0.05)
    assert config.objective("length_dpo", 0.05) == LengthRegularisedDPO(beta=0.05, alpha=0.01)
    curves = {curve.name: curve for curve in curves_of(config)}
    assert curves.keys() == {"dpo", "ipo", "slic", "length_dpo", "all", "dpo-small", "all-small"}
    assert len(curves["all"].arms) == 3 * 2 * config.training.snapshots
    assert curves["dpo-small"].start == "sft-small"


def test_claims_are_those_of_the_arms_that_run():
    keys = [claim.key for claim in claims_of(smoke(arms=["slic"]))]
    assert keys == ["hump_slic", FITS, "accuracy_does_not_foretell_wins_slic"]
    assert len({claim.key for claim in PAPER.claims}) == len(PAPER.claims)
    assert PAPER.claims[0].key == "hump_dpo"


def test_a_sweep_that_makes_no_sense_is_refused():
    with pytest.raises(UserError, match=r"dpo_betas \[0.5, 0.5\] has a value twice"):
        smoke("dpo_betas=[0.5, 0.5]")
    with pytest.raises(UserError, match="leave nothing to train"):
        smoke("size_betas=[3.0]")
    with pytest.raises(ValidationError, match="two models are named alike"):
        DAAScalingLawsConfig(sizes=[{"name": "small"}, {"name": "small"}])


def test_the_gpu_section_has_the_paper_s_models_and_seven_budgets():
    config = load_config(PAPER, "gpu")
    assert [size.model.path for size in config.sizes] == ["EleutherAI/pythia-1b", "EleutherAI/pythia-2.8b"]
    assert {0.0175, 0.025, 0.0375} < set(config.betas("dpo"))
    assert len(config.runs("ipo")) == len(config.runs("slic", config.sizes[0])) == 7
    assert (config.training.epochs, config.training.snapshots) == (1, 4)
