"""A tournament at smoke scale, for real: methods of every kind meet, with tuned settings and on real pairs."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from flows.catalog import open_paper
from flows.scales import load_config
from flows.studies.tournament import tournament
from flows.studies.tournament_config import GRADIENT, LIKELIHOOD, OFFLINE, ONLINE, TUNABLE, TournamentConfig
from flows.studies.tournament_entry import Entry, objective_of, own_settings
from flows.studies.tournament_gradient import gradient_of
from flows.studies.tournament_methods import METHODS
from flows.studies.tournament_online import pairing_of, with_whole_groups
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric

PAPER = open_paper("tournament")


def smoke(*overrides: str, **given: object) -> TournamentConfig:
    return load_config(PAPER, "smoke", list(overrides), **given)


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_methods_of_every_kind_meet_are_tuned_and_ranked():
    config = smoke("tuning.trials=1", "methods=dpo,online_dpo,iterative_dpo,osp,rloo,superhf,best_of_n")
    report = tournament(config)
    assert report.failures == {}
    ranked = [row["arm"] for row in report.leaderboard if row["suite"] == "tournament"]
    assert set(ranked) == {"sft", *config.methods}
    ratings = {row["arm"]: row["elo_rating"] for row in report.leaderboard if row["suite"] == "tournament"}
    assert ratings["sft"] == pytest.approx(1000.0)
    assert report.verdicts == []

    client = MlflowClient(tracking_uri())
    names = {artifact.path for artifact in client.list_artifacts(report.mlflow_run_id)}
    assert {"win_matrix.json", "duels.json", "tuning.json", "leaderboard.json", "report.html"} <= names
    tags = client.get_run(report.mlflow_run_id).data.tags
    assert tags["tuned"] == "1 trials each: dpo, iterative_dpo, online_dpo, osp, rloo, superhf"
    found = client.search_runs([report.experiment_id], max_results=1000)
    arms = {run.data.tags["arm"] for run in found if run.data.tags["level"] == "arm"}
    assert {f"{name}-trial-0" for name in ("dpo", "online_dpo", "iterative_dpo", "osp", "rloo", "superhf")} <= arms
    trials = {run.data.tags["seed"] for run in found if "-trial-" in run.data.tags.get("arm", "")}
    assert trials == {"1"}, "settings are not tried on the seed that is compared"
    logged = {name for run in found for name in run.data.metrics}
    assert [name for name in sorted(logged) if find_metric(name) is None] == []


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
@pytest.mark.parametrize("labels", ["reward_model", "gold"])
def test_every_method_can_enter(labels: str):
    """By the true reward no response of an untrained model is worth more than its value promises: a_lol stays out."""
    left_out = {"sft", "a_lol"} if labels == "gold" else {"sft"}
    critic = ["gradient.value.start=policy"] if labels == "gold" else []
    methods = [name for name in METHODS if name not in left_out]
    report = tournament(smoke(f"labels={labels}", f"methods={','.join(methods)}", *critic))
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard if row["suite"] == "tournament"} == {"sft", *methods}
    found = MlflowClient(tracking_uri()).search_runs([report.experiment_id], max_results=1000)
    modes = {run.data.tags["arm"]: run.data.tags["mode"] for run in found if run.data.tags["level"] == "arm"}
    assert {name for name in methods if modes[name] == "online"} == {*ONLINE, *GRADIENT, "superhf"}


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_on_real_pairs_a_referee_fitted_on_held_out_pairs_decides(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"What is {index} plus one?", "chosen": f"It is {index + 1}.", "rejected": "I do not know."}
        for index in range(80)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    methods = ["dpo", "vpo", "a_lol", "online_dpo", "osp", "brain", "par", "dr_po", "superhf"]
    report = tournament(smoke(f"methods={','.join(methods)}", data=str(path)))
    assert report.failures == {}
    assert {row["arm"] for row in report.leaderboard if row["suite"] == "tournament"} == {"sft", *methods}
    with pytest.raises(UserError, match="best_of_n"):
        tournament(smoke("methods=dpo,best_of_n", data=str(path)))


def test_every_method_is_described_and_tunable_ones_have_settings():
    config = TournamentConfig()
    assert {*OFFLINE, *ONLINE, *GRADIENT, *LIKELIHOOD, "sft", "best_of_n"} == set(METHODS)
    rate_alone = ("preferred_ft", "raft", "a_lol", "bo2", "orpo", "rrhf", "brain")
    for method in TUNABLE:
        own = own_settings(config, method)
        assert "learning_rate" in own
        assert len(own) == (1 if method in rate_alone else 2), method
        assert all(value > 0.0 for value in own.values())
    for method in (*OFFLINE, *ONLINE):
        assert objective_of(config, method) is not None


def test_every_method_sees_as_many_responses_a_step():
    config = TournamentConfig()
    responses = 2 * config.training.batch_size
    for method in ONLINE:
        fresh = pairing_of(config, method)
        size = (
            with_whole_groups(config, config.training).batch_size if method == "brain" else config.training.batch_size
        )
        compared = fresh.per_prompt if method == "brain" else 2
        assert size * compared == responses
        if method in ("osp", "brain", "online_dpo", "online_vpo", "xpo"):
            assert fresh.prompts_a_round(size) * fresh.per_prompt == responses, method
    assert pairing_of(config, "online_vpo").calibration
    assert pairing_of(config, "xpo").behaviour == "mixed"


def test_every_variant_of_ppo_changes_one_step():
    config = TournamentConfig()
    plain = gradient_of(config, "ppo", {}).model_dump()
    steps = {"par": "shaping", "pf_ppo": "filter", "ma_ppo": "actions", "dr_po": "start"}
    for method, step in steps.items():
        other = gradient_of(config, method, {}).model_dump()
        assert [name for name in plain if plain[name] != other[name]] == [step]
    assert gradient_of(config, "par", {"kl": 0.3}).kl.coefficient == 0.3


def test_settings_replace_the_configured_ones():
    given = Entry(TournamentConfig(), None, (), "online_ipo", "online_ipo", {"learning_rate": 3e-5, "tau": 0.4})
    objective, training = given.loss
    assert objective.tau == 0.4
    assert training.learning_rate == 3e-5
    assert training.max_steps == 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ["dpo", "dpo"]}, "has one twice"),
        ({"training": {"max_steps": 0}}, "counted in steps"),
        ({"labels": "gold", "data": {"path": "pairs.jsonl"}}, "no true reward"),
        ({"tuning": {"trials": 2}, "data": {"path": "pairs.jsonl"}}, "validation prompts"),
        ({"tuning": {"trials": 2}, "evaluation": {"prompts": "validation"}}, "evaluation.prompts must be test"),
        ({"tuning": {"trials": 2}, "gradient": {"kl": {"kind": "fixed", "coefficient": 0}}}, r"kl.coefficient 0"),
        ({"labels": "gold", "methods": ["ppo"]}, "gradient.value.start reward"),
        ({"training": {"max_steps": 9, "batch_size": 3}}, "not a multiple of"),
        ({"methods": ["brain"], "round_responses": 6}, "brain takes whole groups"),
        ({"methods": ["osp"], "round_responses": 5}, "an even per_prompt"),
        ({"methods": ["superhf"], "world": {"policy_prompts": 100}}, "superhf takes 3200, each once"),
    ],
)
def test_what_cannot_meet_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TournamentConfig.model_validate(settings)
