"""The SRPO paper at smoke scale, for real: revisions of all arms, samplers, controls, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.preference.srpo import PAPER, claims_of, planned_arms, srpo
from flows.preference.srpo_claims import ARMS, LONGER
from flows.preference.srpo_config import SRPOConfig
from flows.scales import load_config
from tasks.data.tiny_world.vocabulary import words
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.srpo import SRPO


def smoke(*overrides: str, **given: object) -> SRPOConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = srpo(config)
    assert report.failures == {}
    scored = {row["arm"] for row in report.leaderboard if row["suite"] == "gold"}
    assert scored == {*ARMS, "srpo-alpha-0.25", "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm or a round that is never scored"

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}

    def runs_of(stage: str) -> dict[str, dict[str, float]]:
        return {
            arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run.data.metrics
            for run in found
            if run.info.run_name == stage
        }

    revising, plain = runs_of("optimise_revisions"), runs_of("optimise_preferences")
    assert revising.keys() == {"srpo", "srpo-alpha-0.25", "srpo_poor"}
    assert plain.keys() == {"dpo", "ipo", "ipo_equal_tokens", "dpo_poor", "ipo_poor"}
    assert plain["dpo"]["cost/tokens"] == plain["ipo"]["cost/tokens"]
    assert revising["srpo"]["cost/tokens"] > 3 * plain["ipo"]["cost/tokens"]
    assert plain["ipo_equal_tokens"]["cost/tokens"] > 2 * plain["ipo"]["cost/tokens"]
    logged = {name for run in found for name in run.data.metrics}
    assert {"train/srpo/revision_margin", "eval/unchanged", "data/unchanged_revisions"} <= logged
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_settle_the_claims_on_the_reward_model(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    report = srpo(smoke("sweep_alphas=[]", data=str(path), arms=["dpo", "srpo"]))
    assert report.failures == {}
    assert [row["claim"] for row in report.verdicts] == [
        "revised_beats_dpo", "rises_with_revisions", "gains_more_than_dpo", "gains_more_than_sft"
    ]  # fmt: skip
    assert all(row["n_prompts"] > 3 for row in report.verdicts)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["arms=[srpo, srpo_poor]"], "arms srpo_poor: real pairs have one sampler only"),
        (["out_of_distribution=true"], "set it to false"),
    ],
)
def test_what_real_pairs_cannot_give_is_refused_before_training(overrides, said, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    with pytest.raises(UserError, match=said):
        srpo.fn(smoke(*overrides, data=str(path)))


def test_longer_posts_are_of_one_family():
    with pytest.raises(UserError, match="out_of_distribution"):
        srpo.fn(smoke("world.family=hh"))


def test_arms_change_one_thing_each():
    config = SRPOConfig(arms=list(ARMS), sweep_alphas=[0.0, 0.25, 0.5, 1.0])
    arms = planned_arms(config)
    assert arms.keys() == {*ARMS, "srpo-alpha-0", "srpo-alpha-0.25", "srpo-alpha-1"} - {"sft", "best_of_n"}
    assert {name for name, one in arms.items() if one.poor} == {"dpo_poor", "ipo_poor", "srpo_poor"}
    assert {name for name, one in arms.items() if one.training != config.training} == {"ipo_equal_tokens"}
    assert arms["ipo_equal_tokens"].training.max_steps == 3 * config.training.max_steps
    assert arms["ipo_equal_tokens"].objective == arms["ipo"].objective == arms["ipo_poor"].objective == IPO()
    assert arms["srpo-alpha-0.25"].objective == SRPO(alpha=0.25)
    assert "srpo" not in planned_arms(SRPOConfig(arms=["dpo"]))


def test_the_tiny_world_can_say_the_instruction():
    assert set(SRPOConfig().revision.instruction.split()) <= set(words())


def test_choosing_wants_answers_to_choose_among():
    with pytest.raises(UserError, match="best_of_n chooses among answers of srpo"):
        smoke("arms=[dpo, best_of_n]")


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_every_scale_loads_with_real_pairs(scale, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    config = load_config(PAPER, scale, data=str(path))
    assert not config.out_of_distribution
    assert not [name for name in config.arms if name.endswith("_poor")]


def test_the_claims_begin_with_the_main_one_and_follow_the_arms():
    claims = claims_of(SRPOConfig(arms=list(ARMS)))
    assert claims[0].key == "revised_beats_dpo"
    assert len({claim.key for claim in claims}) == len(claims) == 10
    assert claims[1].evidence.arms == ("srpo@N0", "srpo@N1", "srpo@N2", "srpo@N3", "srpo@N4", "srpo@N5")
    assert {claim.evidence.suite for claim in claims} == {"gold", LONGER}
    assert [claim.key for claim in claims_of(SRPOConfig(arms=["srpo"]))] == ["rises_with_revisions"]
