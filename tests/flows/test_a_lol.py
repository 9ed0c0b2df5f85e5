"""The A-LoL paper at smoke scale, for real: two corpora, claims, tracking, real data."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.preference.a_lol import PAPER, a_lol, claims_of
from flows.preference.a_lol_claims import ARMS, NOISY
from flows.preference.a_lol_config import DRAWN, ALoLConfig
from flows.scales import load_config
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.reward.sources import FittedReward, GoldReward


def smoke(*overrides: str, **given: object) -> ALoLConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_a_run_compares_the_arms_judges_the_claims_and_is_tracked():
    config = smoke()
    report = a_lol(config)
    assert report.failures == {}
    noisy = {name + NOISY for name in config.noisy_arms}
    assert {row["arm"] for row in report.leaderboard} == {*config.arms, *noisy, "demonstrations"}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    unheard = [row["claim"] for row in report.verdicts if not row["n_prompts"]]
    assert unheard == [], "a claim names an arm that is never scored"

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    arms = {run.info.run_id: run.data.tags for run in found if run.data.tags["level"] == "arm"}
    stages = [run for run in found if run.info.run_name == "optimise_leftover"]
    trained = {arms[run.data.tags["mlflow.parentRunId"]]["arm"]: run for run in stages}
    assert trained.keys() == {*config.objectives.keys() & set(config.arms), *noisy}
    assert trained["a_lol_unfiltered"].data.metrics["data/drawn_share"] == 1.0
    assert trained["a_lol"].data.metrics["data/drawn_share"] <= 1.0
    assert 0.0 <= trained["a_lol"].data.metrics["train/ratio_clip_fraction"] <= 1.0
    values = [run for run in found if run.info.run_name == "fit_value"]
    assert len(values) == 2, "one value a corpus, for all its arms"
    assert all(run.data.metrics["train/value_loss"] >= 0.0 for run in values)
    names = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"leaderboard.json", "verdicts.json", "scores.csv", "report.html"} <= names
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_are_a_clean_and_a_noisy_corpus(tmp_path: Path):
    """Labels are right half of the time: the reward model learns no side, and some responses of each are left over."""
    path = tmp_path / "pairs.jsonl"
    answers = [
        [f"It is {index + 1}.", f"I do not know, {index} is large."][:: 1 - 2 * (index % 2)] for index in range(80)
    ]
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": chosen, "rejected": rejected}
        for index, (chosen, rejected) in enumerate(answers)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    config = smoke(data=str(path), arms=["nll", "a_lol"])
    report = a_lol(config)
    assert report.failures == {}
    assert {row["claim"] for row in report.verdicts} == {
        "higher_than_nll", "gap_widens_with_noise", "noisy_nearly_as_good"
    }  # fmt: skip
    assert all(row["n_prompts"] > 5 for row in report.verdicts)


def test_arms_differ_in_what_a_response_counts_by_or_how_it_is_drawn():
    config = ALoLConfig()
    assert {*config.objectives, "sft", "dpo", "ppo"} == ARMS.keys() == set(config.arms)
    assert DRAWN.keys() <= config.objectives.keys()
    assert config.objectives["a_lol_positive"] == config.objectives["a_lol_unfiltered"] == config.a_lol
    weights = {name: one.weight for name, one in config.objectives.items()}
    assert {name for name, weight in weights.items() if weight == "advantage"} == {
        name for name in ARMS if name.startswith("a_lol")
    }


def test_ppo_maximises_what_the_others_learn_from():
    assert smoke().online_reward == FittedReward()
    gold = smoke("reward={kind: range}")
    assert gold.online_reward == GoldReward()
    assert not gold.fits_a_reward


def test_the_gpu_section_is_the_paper_s():
    config = load_config(PAPER, "gpu")
    assert (config.a_lol.clip, config.a_lol_seq.clip, config.r_gold.lower_bound) == (0.9, 0.9, 0.1)
    assert (config.training.learning_rate, config.training.batch_size, config.training.max_steps) == (2e-4, 16, 9000)
    assert (config.training.warmup_steps, config.training.max_grad_norm) == (300, 0.3)
    assert (config.value.learning_rate, config.value.epochs, config.value.heads) == (1e-5, 10, 8)
    assert (config.model.lora_rank, config.model.lora_alpha, config.dpo.beta) == (64, 16.0, 0.1)
    assert config.reward.kind == "sigmoid"
    assert not config.reward.source.standardise


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match=r"reward range reads the tiny world's true reward"):
        smoke("reward={kind: range}", data="org/name")
    with pytest.raises(ValidationError, match=r"dpo compares responses to one prompt"):
        ALoLConfig(responses_a_prompt=1)


def test_claims_are_those_that_the_run_can_settle():
    assert len({claim.key for claim in PAPER.claims}) == len(PAPER.claims) == 16
    first, *_ = PAPER.claims
    assert (first.key, first.evidence.arm) == ("beats_sft", "a_lol_seq@T0")
    sampled, *_ = claims_of(ALoLConfig(evaluation={"temperatures": []}))
    assert sampled.evidence.arm == "a_lol_seq"
    few = {claim.key for claim in claims_of(ALoLConfig(arms=["nll", "a_lol"], noisy_arms=[], seeds=[0]))}
    assert few == {"higher_than_nll"}
    laptop = {claim.key for claim in claims_of(load_config(PAPER, "laptop"))}
    assert {"higher_than_nll", "gap_widens_with_noise", "steadier_than_dpo"} <= laptop
