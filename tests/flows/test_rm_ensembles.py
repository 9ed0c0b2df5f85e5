"""The reward-ensembles paper at smoke scale, for real: arms, claims, tracking, cache, real data, bad settings."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.reward.rm_ensembles import PAPER, claims_of, policy_arms, rm_ensembles
from flows.reward.rm_ensembles_design import arm_name, rival_of
from flows.reward.rm_ensembles_settings import RMEnsemblesConfig
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.evidence import MeanOfArms
from tasks.evaluation.metrics import find_metric

needs_server = pytest.mark.usefixtures("prefect_server", "rlhf_home")
NOISY = "noise-0.25"
POLICIES = {
    "sft", "demonstrations", "single", "mean", "wco", "uwo",
    *(f"{name}-{NOISY}" for name in ("single", "mean", "wco", "uwo", "kl_only")),
    *(f"{name}-beta-0.02-{NOISY}" for name in ("single", "mean", "wco", "uwo")),
}  # fmt: skip


def smoke(*overrides: str, **given: object) -> RMEnsemblesConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


def scores_of(run_id: str, folder: Path) -> pd.DataFrame:
    return pd.read_csv(MlflowClient(tracking_uri()).download_artifacts(run_id, "scores.csv", str(folder)))


@pytest.mark.exhaustive
@needs_server
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked(tmp_path):
    report = rm_ensembles(smoke())
    assert report.failures == {}
    arms = {(row["suite"], row["arm"]) for row in report.leaderboard}
    assert arms == {("gold", name) for name in POLICIES} | {
        ("best_of_n", "reward"), ("best_of_n", f"reward-{NOISY}"),
    }  # fmt: skip
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in PAPER.claims]
    assert all(row["n_prompts"] > 0 for row in report.verdicts), "a claim names an arm that is never scored"

    scores = scores_of(report.mlflow_run_id, tmp_path)
    chosen = scores[scores["suite"] == "best_of_n"]
    at_one = chosen[chosen["arm"].str.endswith("@n1") & (chosen["metric"] == "gold_reward")]
    assert at_one["arm"].nunique() == 8
    assert at_one.groupby("arm")["value"].mean().abs().max() < 1e-6, "gold is counted from the SFT model's mean"
    sized = scores[scores["suite"] == "best_of_n_sizes"]
    assert set(sized["arm"].str.partition("@")[0]) == {
        arm_name(name, size=size, noise=noise)
        for noise in (0.0, 0.25)
        for name, sizes in {"single": (0,), "mean": (2, 3), "wco": (2, 3), "uwo": (2, 3)}.items()
        for size in sizes
    }

    client = MlflowClient(tracking_uri())
    runs = client.search_runs([report.experiment_id], max_results=1000)
    by_arm = {run.info.run_name: run for run in runs if run.data.tags["level"] == "arm"}
    assert by_arm["uwo-s0"].data.tags["mode"] == "online"
    assert "eval/gold/win_rate_vs_single" in by_arm[f"uwo-{NOISY}-s0"].data.metrics
    fitted = [run for run in runs if run.info.run_name == "fit_reward"]
    assert len(fitted) == 6
    assert len({run.data.params["pairs.digest"] for run in fitted}) == 2, "members of one noise share their flips"
    logged = {name for run in runs for name in run.data.metrics}
    assert {"eval/member_correlation", "train/reward_variance", "train/kl_coefficient"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []

    again = rm_ensembles(smoke("best_of_n.penalty=2.0", "optimisers=[best_of_n]", "sizes=[3]", arms=["uwo"]))
    assert again.failures == {}
    every = client.search_runs([report.experiment_id], max_results=1000)
    stages = {run.info.run_name for run in every if run.data.tags["level"] == "stage"}
    new = [run.info.run_name for run in every[: len(every) - len(runs)] if run.data.tags["level"] == "stage"]
    assert "sample_responses" in stages
    assert new == ["sweep_best_of_n"] * 2


@needs_server
def test_real_pairs_get_noisy_labels_too_and_test_the_disagreement(tmp_path):
    path = tmp_path / "pairs.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        for index in range(60):
            prompt = f"\n\nHuman: what is {index} plus one?\n\nAssistant:"
            row = {"chosen": f"{prompt} It is {index + 1}.", "rejected": f"{prompt} I do not know."}
            stream.write(json.dumps(row) + "\n")
    report = rm_ensembles(
        smoke("optimisers=[best_of_n]", "label_noises=[0.25]", "sizes=[2]", data=str(path), arms=["mean", "uwo"])
    )
    assert report.failures == {}
    verdicts = {row["claim"]: row for row in report.verdicts}
    assert list(verdicts) == ["selection_finds_disagreement", "uwo_selects_agreement"]
    assert verdicts["selection_finds_disagreement"]["n_prompts"] > 5


def test_arms_differ_in_their_reward_and_where_they_say_so_in_their_penalty():
    config = RMEnsemblesConfig(single_members=2, policy_sizes=[3, 5])
    fitted = [f"member {number}" for number in range(5)]
    arms = policy_arms(config, {0.0: fitted, 0.25: fitted})
    assert len(arms) == (2 + 3 * 2) * 3 + 2
    assert arms["single-m1"].fitted == ["member 1"]
    assert list(arms["uwo-k3"].fitted) == fitted[:3]
    assert list(arms[f"uwo-beta-0.02-{NOISY}"].fitted) == fitted
    assert arms["uwo"].source.uncertainty_penalty == 0.1
    assert {name: one.method.kl.coefficient for name, one in arms.items() if one.method.kl.coefficient} == {
        name: 0.2 if name.startswith("kl_only") else 0.02 for name in arms if "beta" in name or "kl_only" in name
    }
    assert all(one.method.score_clip.limit == 10.0 for one in arms.values())
    assert not policy_arms(RMEnsemblesConfig(arms=["sft"]), {0.25: fitted})


@pytest.mark.parametrize("name", ["uwo-k3-beta-0.02-noise-0.25", "kl_only-m1-noise-0.25"])
def test_the_rival_has_the_same_label_noise(name):
    assert rival_of(name) == "single-noise-0.25"
    assert rival_of(name.partition("-noise")[0]) == "single"


def test_claims_go_with_the_grid():
    keys = {claim.key for claim in claims_of(RMEnsemblesConfig())}
    assert len(keys) == len(PAPER.claims)
    one = {claim.key for claim in claims_of(smoke("label_noises=[0.25]", "sizes=[3]"))}
    assert keys - one == {
        "noise_widens_best_of_n_gap", "noise_widens_ppo_gap", "more_members_more_reward", "members_level_off",
    }  # fmt: skip
    unpenalised = {claim.key for claim in claims_of(smoke("penalised_noises=[]"))}
    assert {key for key in keys - unpenalised if not key.startswith("small_penalty")} == set()
    single = next(claim for claim in claims_of(smoke("single_members=2")) if claim.key == "ppo_uwo_beats_single")
    assert single.evidence.baseline == MeanOfArms((f"single-{NOISY}", f"single-m1-{NOISY}"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("best_of_n.answers=2", "best of 4 wants as many answers, there are 2"),
        ("best_of_n.sweep.counts=[2,4]", "must rise from 1"),
        ("world.label_noise=0.25", "label_noises"),
        ("penalised_noises=[0.1]", "not among label_noises"),
        ("sizes=[3,3]", "has a value twice"),
        ("policy_sizes=[5]", "does not fit"),
        ("single_members=4", "does not fit"),
    ],
)
def test_a_grid_that_does_not_hold_together_is_refused(override, message):
    with pytest.raises(UserError, match=message):
        smoke(override)
