"""The PAR paper at smoke scale, for real: arms, references, reward models, claims; and what each arm changes."""

import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from flows.peaks import peak_difference
from flows.reinforcement.matched import points_of
from flows.reinforcement.par import PAPER, ParConfig, claims_of, par
from flows.reinforcement.par_arms import ARMS, CEILINGS, GRPO, KL_SWEEP, LONG, REWARD_SIDE, ArmName, methods_of
from flows.scales import load_config, section_of
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.steps.advantages import Rewarded
from tasks.policy.steps.token_rewards import token_rewards

pytestmark = pytest.mark.usefixtures("rlhf_home")
SHAPED = set(ARMS) - {"sft", *KL_SWEEP, *REWARD_SIDE, *LONG, *GRPO}


def smoke(*overrides: str, **given: object) -> ParConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


def changed(arm: str) -> set[str]:
    """Fields of the method in which ``arm`` differs from vanilla PPO."""
    methods = methods_of(ParConfig())
    one, vanilla = methods[arm].model_dump(), methods["vanilla"].model_dump()
    return {name for name in vanilla if one[name] != vanilla[name]}


@pytest.mark.usefixtures("prefect_server")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = par(config)
    assert report.failures == {}
    rows = {row["arm"]: row for row in report.leaderboard}
    assert set(rows) == {*config.arms, "demonstrations"}
    assert {claim.key for claim in PAPER.claims} < {row["claim"] for row in report.verdicts}
    assert "grpo_does_not_see_min_max" in {row["claim"] for row in report.verdicts}
    assert {row["claim"]: row["reason"] for row in report.verdicts if not row["n_prompts"]} == {}

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    logged = {name for one in found for name in one.data.metrics}
    assert {"eval/gold/gold_reward", "eval/gold/proxy_reward", "train/shaped_reward", "train/value_loss"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []
    arms = {one.data.tags["arm"]: one for one in found if one.data.tags["level"] == "arm"}
    assert arms["par"].data.tags["mode"] == "online"
    stages = [one for one in found if one.data.tags["level"] == "stage"]
    names = [one.info.run_name for one in stages]
    assert names.count("optimise_policy") == len(config.arms) - 1
    assert names.count("fit_reward") == 1 + 1 + 1 + len(config.warm_rates), "common, reg, odin, warm's members"
    assert names.count("average_rewards") == 1
    assert names.count("score_samples") == 1, "all arms compare with the same references"

    trained = {
        next(arm for arm, run in arms.items() if run.info.run_id == one.data.tags["mlflow.parentRunId"]): one
        for one in stages
        if one.info.run_name == "optimise_policy"
    }
    par_shaped, vanilla = (trained[arm].data.metrics["train/shaped_reward"] for arm in ("par", "vanilla"))
    assert 0.0 < par_shaped < 1.0
    assert vanilla == trained["vanilla"].data.metrics["train/score"]
    same = [rows[arm]["gold_reward"] for arm in ("grpo_vanilla", "grpo_min_max")]
    assert same[0] == same[1], "GRPO sees no difference between affine maps of a reward"
    names = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"leaderboard.json", "verdicts.json", "over_optimisation.json", "report.html"} <= names


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server")
def test_real_pairs_are_judged_by_proxies(tmp_path):
    path = tmp_path / "pairs.jsonl"
    lines = [
        {"prompt": f"What is {n} plus one?", "chosen": f"It is {n + 1}.", "rejected": "I do not know."}
        for n in range(60)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = smoke(data=str(path), arms=["vanilla", "par"])
    report = par(config)
    assert report.failures == {}
    verdicts = {row["claim"]: row for row in report.verdicts}
    assert verdicts["par_spares_the_proxy"]["n_prompts"] > 5
    assert verdicts["par_learns"]["n_prompts"] > 5


def test_every_arm_has_a_name_a_description_and_a_method():
    assert get_args(ArmName) == tuple(ARMS)
    assert set(methods_of(ParConfig())) == set(ARMS) - {"sft"}
    assert set(section_of("par", "smoke")["arms"]) <= set(ARMS)


@pytest.mark.parametrize("arm", sorted(SHAPED - {"vanilla"}))
def test_a_shaping_arm_changes_the_shaping_alone(arm):
    assert changed(arm) == {"shaping"}


def test_other_arms_change_one_thing_too():
    methods = methods_of(ParConfig())
    assert {field for arm in KL_SWEEP for field in changed(arm)} == {"kl"}
    assert [methods[arm].kl.coefficient for arm in KL_SWEEP] == [0.01, 0.02, 0.05, 0.1]
    assert changed("reg") == changed("warm") == set()
    assert changed("odin") == {"length_penalty"}, "the released code has none for ODIN"
    assert all(methods[arm] == methods[usual] for arm, usual in LONG.items())
    assert changed("grpo_vanilla") == {"per_prompt", "advantage", "kl", "policy_loss", "value"}
    assert methods["grpo_par"].policy_loss.kl_coefficient == methods["par"].kl.coefficient == 0.005


def test_steepness_references_and_ceilings_are_settings():
    methods = methods_of(ParConfig(steepness=2.0, references=12, ceilings=[0.5, 1.0, 1.5]))
    slopes = [methods[arm].shaping.steepness for arm in ("par", "par_k2", "par_k3", "sigmoid_k3", "sgfc_k3")]
    assert slopes == [2.0, 4.0, 6.0, 6.0, 6.0]
    counts = [methods[arm].shaping.anchors_needed for arm in ("sigmoid", "par_m1", "par_m3", "par_m8", "par", "lsc")]
    assert counts == [0, 1, 3, 8, 12, 12]
    assert [methods[arm].shaping.ceiling for arm in CEILINGS] == [0.5, 1.0, 1.5]


def test_the_card_s_example_comes_out_of_the_arms():
    """Three tokens of PAR's appendix-size example: token rewards, advantages and returns of the common method."""
    method = methods_of(ParConfig(references=3))["par"]
    shaped, _ = method.shaping.shape(torch.tensor([2.0]), torch.tensor([[0.5, 1.0, 3.0]]), {})
    assert float(shaped) == pytest.approx(0.605858, abs=1e-6)
    mask = torch.ones(1, 3, dtype=torch.bool)
    old, reference = torch.tensor([[-1.0, -0.5, -0.8]]), torch.tensor([[-1.2, -0.6, -0.7]])
    rewards = token_rewards(shaped, old, reference, mask, method.kl.coefficient, method.kl_estimator)
    values = torch.tensor([[0.3, 0.4, 0.5]])
    found, _ = method.advantage.estimate(Rewarded(rewards, values, mask, mask, torch.zeros(1, dtype=torch.int64)), {})
    assert found.advantages[0].tolist() == pytest.approx([1.212969, 0.023219, -1.236188], abs=2e-6)
    assert found.returns[0].tolist() == pytest.approx([0.604858, 0.605858, 0.606358], abs=1e-6)
    loss, _ = method.value.loss.loss(values, values, found.returns, mask)
    assert float(loss) == pytest.approx(0.048876, abs=1e-6)


def test_grpo_s_advantages_do_not_see_affine_maps():
    methods = methods_of(ParConfig())
    scores, groups = torch.randn(20), torch.arange(4).repeat(5)
    mask = torch.ones(20, 1, dtype=torch.bool)

    def advantages(arm: str) -> torch.Tensor:
        shaped, _ = methods[arm].shaping.shape(scores, scores[groups][:, None].expand(20, 10), {})
        rewarded = Rewarded(shaped[:, None], torch.zeros(20, 1), mask, mask, groups)
        return methods["grpo_vanilla"].advantage.estimate(rewarded, {})[0].advantages

    for arm in ("min_max", "mean_std", "scaled_vanilla", "centred"):
        torch.testing.assert_close(advantages(arm), advantages("vanilla"), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(advantages("par"), advantages("vanilla"), atol=1e-2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.rollouts=64", "arms=[vanilla, grpo_par]"], "multiple of grpo_responses 5 for grpo_par"),
        (["ceilings=[3, 3, 4]"], "must rise"),
        (["ceilings=[3, 4]"], "3 to 3 items"),
        (["references=1"], "references"),
        (["arms=[rloo]"], "arms"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(overrides, message):
    with pytest.raises(UserError, match=message) as caught:
        smoke(*overrides)
    assert "\n" not in str(caught.value)


def test_rollouts_need_no_groups_where_no_arm_asks_for_them():
    assert smoke("training.rollouts=64", "arms=[vanilla, par]").training.rollouts == 64


def test_claims_follow_the_arms_and_the_data():
    default = {claim.key for claim in claims_of(ParConfig())}
    assert next(iter(claims_of(ParConfig()))).key == "beats_vanilla"
    everything = {claim.key for claim in claims_of(ParConfig(arms=list(ARMS)))}
    assert everything - default == {
        "centred_curves_beat_uncentred",
        "references_matter_little",
        "more_kl_more_reward",
        "robust_over_two_epochs",
        "grpo_does_not_see_min_max",
        "grpo_is_not_hacked",
    }
    on_data = {claim.evidence.metric for claim in claims_of(load_config(PAPER, "smoke", data="org/name"))}
    assert on_data == {"proxy_reward", "token_kl"}
    assert "sgfc_is_slower" not in {claim.key for claim in claims_of(smoke("training.snapshots=1"))}


def test_the_difference_of_peaks_is_that_of_the_best_points_wherever_the_runs_end():
    heights = {"par": [0.0, 1.0, 1.2, 1.1], "vanilla": [0.0, 1.5, 0.4, -3.0]}
    rng = np.random.default_rng(0)
    rows = [
        {"paper": "par", "arm": name, "seed": seed, "suite": "gold", "prompt_id": f"p{prompt}",
         "metric": "gold_reward", "value": height + rng.normal(0.0, 0.01)}
        for arm, curve in heights.items()
        for name, height in zip(points_of(arm, 3), curve, strict=True)
        for seed in range(3)
        for prompt in range(20)
    ]  # fmt: skip
    evidence = peak_difference("gold_reward", points_of("par", 3), points_of("vanilla", 3), "gold")
    assert evidence.measure(pd.DataFrame(rows)).values.mean() == pytest.approx(1.2 - 1.5, abs=0.01)
