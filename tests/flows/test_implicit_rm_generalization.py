"""The study on implicit and explicit rewards at smoke scale, for real: shifts, selection, iterative DPO, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.scales import load_config
from flows.studies.implicit_rm_generalization import PAPER, implicit_rm_generalization
from flows.studies.implicit_rm_generalization_claims import claims_of
from flows.studies.implicit_rm_generalization_settings import ImplicitRMConfig, Shift
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric


def smoke(*overrides: str, **given: object) -> ImplicitRMConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


def arms_by_suite(report) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in report.leaderboard:
        found.setdefault(row["suite"], set()).add(row["arm"])
    return found


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_rewards_on_and_off_the_distribution_and_is_tracked():
    report = implicit_rm_generalization(smoke())
    assert report.failures == {}
    found = arms_by_suite(report)
    rewards = {"exrm", "dporm", "exrm_matched", "dporm_matched", "reference_free", "length"}
    assert found["id"] == rewards | {"exrm-noise-0.25", "dporm-noise-0.25"}
    for suite in ("ood", "response_shift", "prompt_shift", "response_demonstrators", "prompt_hh", "drop"):
        assert found[suite] == rewards
    assert found["train"] == {"exrm", "dporm"}
    assert found["labels"] == {"iterative_exrm", "iterative_dporm"}
    assert found["gold"] == {"sft", "demonstrations", "offline_dpo", "iterative_exrm", "iterative_dporm"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    assert [row["claim"] for row in report.verdicts if not row["n_prompts"]] == []

    client = MlflowClient(tracking_uri())
    runs = client.search_runs([report.experiment_id], max_results=1000)
    fitted = [run for run in runs if run.info.run_name == "fit_reward_series"]
    trained = [run for run in runs if run.info.run_name == "optimise_preferences"]
    seen = {
        name: {run.inputs.dataset_inputs[0].dataset.digest for run in part}
        for name, part in (("explicit", fitted), ("implicit", trained))
    }
    assert len(seen["explicit"]) == 2, "clean and noisy pairs"
    assert seen["explicit"] < seen["implicit"], "DPO sees the same pairs, and those of its rounds"
    tokens = {run.data.metrics["cost/tokens"] for run in fitted}
    assert len(tokens) == 1, "flips change no length, so every fit reads equally much"
    files = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"report.html", "verdicts.json"} <= files
    logged = {name for run in runs for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_seeds_draw_training_pairs_and_rounds_of_their_own_and_are_judged_together():
    asked = "arms=exrm,dporm,iterative_exrm,iterative_dporm"
    report = implicit_rm_generalization(smoke("seeds=0,1", "noises=[]", asked))
    assert report.failures == {}
    boards = {(row["suite"], row["arm"]): row["n_seeds"] for row in report.leaderboard}
    assert boards["train", "exrm"] == boards["labels", "iterative_exrm"] == 2
    judged = {row["claim"]: row["n_prompts"] for row in report.verdicts}
    assert judged["both_fit_training_pairs"] > 1
    assert judged["explicit_labels_agree_more"] > 1


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_have_noise_and_another_domain_as_shifts(tmp_path: Path):
    for name, ask in (("own", "What is {} plus one?"), ("other", "Name the number after {}.")):
        rows = [
            {"prompt": ask.format(index), "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
            for index in range(60)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    other = f"shifted_data={{path: {tmp_path / 'other.jsonl'}, held_out_share: 0.5}}"
    report = implicit_rm_generalization(smoke(other, data=str(tmp_path / "own.jsonl")))
    assert report.failures == {}
    assert arms_by_suite(report)["real"] >= {"exrm", "dporm", "length"}
    verdicts = {row["claim"]: row["n_prompts"] for row in report.verdicts}
    assert verdicts.keys() == {
        "explicit_generalises_to_other_data", "both_fit_training_pairs", "explicit_better_at_noise_25"
    }  # fmt: skip
    assert min(verdicts.values()) > 5


def test_both_arms_get_the_same_budget():
    config = load_config(PAPER, "laptop")
    explicit = config.explicit_training(1e-3)
    objective, implicit = config.implicit_trial(*config.implicit.every()[1])
    shared = ("batch_size", "epochs", "max_steps", "snapshots")
    assert [getattr(explicit, name) for name in shared] == [getattr(implicit, name) for name in shared]
    assert (explicit.learning_rate, implicit.learning_rate, objective.beta) == (1e-3, 3e-4, 0.1)
    with pytest.raises(UserError, match=r"explicit_rates make 2 trials and implicit 1"):
        smoke("explicit_rates=[0.001, 0.01]")


def test_what_real_data_lacks_is_refused_before_anything_is_trained():
    with pytest.raises(ValidationError, match=r"response_base.*generators and the true reward are the tiny world's"):
        ImplicitRMConfig(data={"path": "pairs.jsonl"}, arms=["exrm"], shifts=[{"name": "response_base"}])
    with pytest.raises(ValidationError, match="iterative_exrm: generators"):
        ImplicitRMConfig(data={"path": "pairs.jsonl"}, arms=["iterative_exrm"], shifts=[])
    with pytest.raises(ValidationError, match=r"give data\.path too"):
        ImplicitRMConfig(shifted_data={"path": "pairs.jsonl"})
    with pytest.raises(ValidationError, match="must differ"):
        ImplicitRMConfig(shifts=[{"name": "ood"}])
    with pytest.raises(ValidationError, match="has a name twice"):
        ImplicitRMConfig(sizes=[{}, {}])


def test_shifts_of_answers_and_of_prompts_are_told_apart():
    assert (Shift().kind, Shift(prompts="hh").kind) == ("response_shift", "prompt_shift")
    keys = [claim.key for claim in claims_of(ImplicitRMConfig())]
    assert keys[0] == "explicit_generalises_better"
    assert {"explicit_better_on_prompt_shift", "explicit_better_on_response_shift"} < set(keys)
    only = ImplicitRMConfig(shifts=[{"name": "response_base"}], arms=["exrm"], noises=[])
    assert [claim.key for claim in claims_of(only)] == [
        "explicit_generalises_better", "implicit_drops_more", "better_at_matched_accuracy", "both_fit_training_pairs",
    ]  # fmt: skip


def test_the_paper_s_five_settings_are_the_default():
    assert len(ImplicitRMConfig().shifts) == 5
    assert len(load_config(PAPER, "gpu").sizes) == 2
