"""The study of the online-offline gap at smoke scale, for real: every part, its arms and its claims."""

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.catalog import open_paper
from flows.scales import load_config
from flows.studies.online_offline_gap import online_offline_gap
from flows.studies.online_offline_gap_arms import GOLDEN, finals, swept
from flows.studies.online_offline_gap_claims import ARMS, claims_of
from flows.studies.online_offline_gap_config import PARTS, GapConfig, Sweep
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric

PAPER = open_paper("online_offline_gap")


def smoke(*overrides: str) -> GapConfig:
    return load_config(PAPER, "smoke", list(overrides))


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_the_parts_at_one_size_are_compared_judged_and_tracked():
    config = smoke()
    report = online_offline_gap(config)
    assert report.failures == {}
    board = [(row["arm"], row["suite"]) for row in report.leaderboard]
    assert {"online", GOLDEN, "tandem", "shuffled", "blocks-2", "bo2_online", "sft"} <= {arm for arm, _ in board}
    assert {"gold", "pairs", "stream", "own_samples", "tandem"} == {suite for _, suite in board}
    assert [row["claim"] for row in report.verdicts] == [claim.key for claim in claims_of(config)]
    assert [row["claim"] for row in report.verdicts if not row["n_prompts"]] == [], "a claim names an unscored arm"
    same = {row["arm"]: row["same_weights"] for row in report.leaderboard if row["suite"] == "tandem"}
    assert same == {"tandem": 1.0, "shuffled": 0.0}

    client = MlflowClient(tracking_uri())
    found = client.search_runs([report.experiment_id], max_results=1000)
    modes = {run.data.tags["arm"]: run.data.tags["mode"] for run in found if run.data.tags["level"] == "arm"}
    assert {name for name, mode in modes.items() if mode == "online"} == {"online", GOLDEN, "bo2_online"}
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_further_sizes_have_a_base_of_their_own_and_share_the_pairs():
    report = online_offline_gap(smoke("parts=E12,E14"))
    assert report.failures == {}
    arms = {row["arm"] for row in report.leaderboard}
    assert {"online", "online-small", "online-proxy-small", "offline-small-lr-0.0001-tau-0.1-steps-4"} <= arms
    assert {row["claim"] for row in report.verdicts} == {"gap_remains_at_small", "proxy_of_small_is_worse"}
    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    stages = [run for run in found if run.data.tags["level"] == "stage"]
    assert sum(run.info.run_name == "pretrain" for run in stages) == 2
    offline = [run for run in stages if run.info.run_name == "optimise_preferences"]
    assert len({run.inputs.dataset_inputs[0].dataset.digest for run in offline}) == 1


def test_a_sweep_has_every_setting_once_by_its_own_name():
    config = GapConfig(sweep=Sweep(learning_rates=[1e-4, 3e-4], taus=[0.1, 1.0], steps=[50]))
    settings = swept("offline", config, config.sweep)
    assert next(iter(settings)) == "offline-lr-0.0001-tau-0.1-steps-50"
    assert len({(loss.tau, training.learning_rate) for loss, training in settings.values()}) == 4
    assert all(training.max_steps == 50 and training.epochs >= 1 for _, training in settings.values())


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_what_is_tuned_takes_as_many_steps_as_online_unless_told_otherwise(scale):
    config = load_config(PAPER, scale)
    for name in ("offline", "shuffled"):
        settings = swept(name, config, config.sweep).values()
        assert {training.max_steps for _, training in settings} == {config.training.max_steps}


def test_the_paper_s_own_sweep_makes_further_offline_settings_but_no_shuffled_ones():
    config = load_config(PAPER, "gpu")
    few = load_config(PAPER, "gpu", ["parts=E1,E4"])
    assert len(finals("offline", config)) == 18
    assert len(finals("offline", few)) == len(finals("shuffled", config)) == 2
    gap, *_ = claims_of(config)
    assert len(gap.evidence.settings) == 18


def test_every_part_is_described_and_has_an_arm_or_a_claim():
    assert set(PARTS) == {f"E{number}" for number in range(1, 15)}
    for part in PARTS:
        if part != "E2":
            assert claims_of(GapConfig(parts=[part])), part
    every = claims_of(GapConfig(parts=list(PARTS)))
    assert len({claim.key for claim in every}) == len(every)
    assert "online" in ARMS


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_real_pairs_have_no_golden_preference():
    with pytest.raises(UserError, match="golden preference for any response"):
        online_offline_gap(smoke("data.path=pairs.jsonl"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parts": ["E1", "E1"]}, "has one twice"),
        ({"parts": ["E12"], "sizes": []}, "want sizes"),
        ({"sweep": {"taus": [0.1, 0.1]}}, "has a value twice"),
        ({"sizes": [{}, {}]}, "has a name twice"),
        ({"parts": ["E14"], "proxy": "gold"}, "pairwise proxy"),
        ({"world": {"label_noise": 0.2}}, "one golden preference"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_computed(settings, message):
    with pytest.raises(ValidationError, match=message):
        GapConfig.model_validate(settings)
