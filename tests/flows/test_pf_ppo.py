from typing import get_args

import pytest
from mlflow import MlflowClient

from flows.claims_asked import arms_of
from flows.reinforcement.pf_ppo import PAPER, pf_ppo, suites_of
from flows.reinforcement.pf_ppo_claims import ARMS, PASSING, claims_of
from flows.reinforcement.pf_ppo_config import ALL_ARMS, ArmName, PFPPOConfig
from flows.reinforcement.pf_ppo_inputs import RELIABILITY
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits

SANDBOXED = ("world.family=code", "true_reward=sandbox")
pytestmark = pytest.mark.usefixtures("prefect_server", "rlhf_home")


def smoke(*overrides: str, **given: object) -> PFPPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
def test_a_run_compares_every_arm_and_judges_every_claim():
    report = pf_ppo(smoke())
    assert report.failures == {}
    boards = {
        suite: {row["arm"] for row in report.leaderboard if row["suite"] == suite} for suite in suites_of(smoke())
    }
    assert boards["gold"] == {*ALL_ARMS, "demonstrations"}
    assert boards[RELIABILITY] == {name for name in ALL_ARMS if name.startswith(("p", "random"))} - {"ppo_s"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(smoke())]
    assert all(row["n_prompts"] > 0 for row in report.verdicts), "a claim names an arm that is never scored"

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    stages = [run for run in found if run.data.tags["level"] == "stage"]
    trained = {run.data.params["method.filter.kind"]: run for run in stages if run.info.run_name == "optimise_policy"}
    assert set(trained) == {"keep_all", "random_subset", "rank_weights", "threshold", "power_reweight"}
    kept = trained["random_subset"].data.metrics["train/filter/kept_share"]
    assert kept == pytest.approx(0.4)
    assert {run.data.params["training.rollouts"] for run in trained.values()} == {"10"}
    logged = {name for run in found for name in run.data.metrics}
    assert {"data/edit_distance", "train/kto/reference_point", f"eval/{RELIABILITY}/filter_r2"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


def test_programs_are_judged_by_running_them():
    try:
        require_isolation(Limits())
    except UserError as error:
        pytest.skip(str(error))
    arms = ["ppo_m", "pf_bw"]
    report = pf_ppo(smoke(*SANDBOXED, "proxy=noisy_gold", arms=arms))
    assert report.failures == {}
    passed = {row["arm"] for row in report.leaderboard if row["suite"] == PASSING}
    assert passed == {"sft", *arms}


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["true_reward=sandbox"], "set world.family=code"),
        (["training.rollouts=12"], "training.rollouts 12 must be a multiple of method.per_prompt 5"),
        (["method.per_prompt=1"], "filters.kept 2 of method.per_prompt 1"),
        (["filters.lower_quantile=0.9"], "lower_quantile 0.9 must not be above upper_quantile 0.7"),
        (["rounds=6"], "iterative_dpo samples for 1 prompts at a time, too few for a batch of 2"),
        (["raft.batch_size=8"], "raft samples for 6 prompts at a time"),
        (["data.path=org/pairs", "proxy=noisy_gold"], "real data lacks"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(overrides, complaint):
    with pytest.raises(UserError, match=complaint):
        smoke(*overrides)


def test_every_arm_is_described_and_claims_need_no_arm_that_is_left_out():
    assert tuple(ARMS) == ALL_ARMS == get_args(ArmName)
    config = PFPPOConfig(arms=["ppo_m", "pf_bw", "ppo_top"])
    asked = {"sft", *config.arms}
    claims = claims_of(config)
    assert {claim.key for claim in claims} == {
        "bw_beats_ppo_m", "ppo_raises_the_proxy", "bw_is_more_reliable_than_all"
    }  # fmt: skip
    assert all(set(arms_of(claim.evidence)) <= asked for claim in claims)


def test_the_main_claim_comes_first_and_follows_the_true_reward():
    first = claims_of(PFPPOConfig())[0]
    assert (first.key, first.evidence.metric, first.evidence.suite) == ("filter_beats_ppo_m", "gold_reward", "gold")
    by_tests = claims_of(smoke(*SANDBOXED))[0]
    assert (by_tests.evidence.metric, by_tests.evidence.suite) == ("pass_at_1", PASSING)
    on_data = claims_of(smoke("data.path=org/pairs"))
    assert {claim.key for claim in on_data} == {"ppo_raises_the_proxy", "proxy_is_about_equal"}


def test_arms_differ_in_nothing_but_the_filter():
    config = PFPPOConfig()
    filters = config.filters.by_arm()
    assert set(filters) == {name for name in ALL_ARMS if name.startswith(("p", "random"))} - {"ppo_s"}
    assert len({chosen.model_dump_json() for chosen in filters.values()}) == len(filters)
    assert config.prompts_a_run * config.method.per_prompt == config.training.iterations * config.training.rollouts
