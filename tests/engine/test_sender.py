"""The sender: everything that was recorded is in MLflow, once and in its place, whoever died or was away."""

import json
import threading
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from dying import calls_into, kill_at_each
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.tracking import client as mlflow_client
from waiting import until

from tasks.engine.addresses import LOOPBACK, free_port
from tasks.engine.home import tracking_uri
from tasks.engine.refs import DatasetRef
from tasks.engine.sender import KEY_TAG, METRICS_PER_BATCH, Sender
from tasks.engine.servers import mlflow_server
from tasks.engine.session import ALIVE, close_dead_runs, send_leftovers
from tasks.engine.tracking import Tracker

PAPER = "dpo"


@pytest.fixture
def folder(rlhf_home):
    folder = rlhf_home / "spool" / "session"
    folder.mkdir(parents=True)
    (folder / ALIVE).touch()
    return folder


def open_run(folder: Path, key: str, parent: str = "", params: int = 2) -> Tracker:
    tracker = Tracker(folder / f"{key}.jsonl", folder)
    tracker.create(PAPER, f"run {key}", parent, {"level": "stage"}, {f"p{i}": str(i) for i in range(params)})
    return tracker


def runs(client: MlflowClient) -> dict[str, Run]:
    """All runs by key; fails if a key has two."""
    experiment = client.get_experiment_by_name(PAPER)
    found = client.search_runs([experiment.experiment_id])
    by_key = {run.data.tags[KEY_TAG]: run for run in found}
    assert len(by_key) == len(found)
    return by_key


def history(client: MlflowClient, run: Run, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]


def fill_run(folder: Path) -> Tracker:
    """A run with one event of every kind."""
    tracker = open_run(folder, "all")
    for step in range(3):
        tracker.metrics({"train/loss": 1.0 / (1 + step), "train/kl": float(step)}, step)
    tracker.tags({"verdict": "supported"})
    tracker.table("samples.json", pd.DataFrame({"prompt": ["a", "b"], "reward": [0.5, float("inf")]}))
    tracker.table("tables/arms.json", pd.DataFrame({"arm": ["dpo"]}))
    tracker.text("notes.md", "# DPO")
    tracker.dataset(DatasetRef(digest="ab" * 32, name="pairs", rows=7), "training")
    tracker.metrics({"eval/win_rate": 0.5}, 3)
    tracker.finish("FINISHED")
    return tracker


def assert_complete(client: MlflowClient) -> None:
    run = runs(client)["all"]
    assert history(client, run, "train/loss") == [(step, 1.0 / (1 + step)) for step in range(3)]
    assert history(client, run, "train/kl") == [(step, float(step)) for step in range(3)]
    assert history(client, run, "eval/win_rate") == [(3, 0.5)]
    assert run.data.params == {"p0": "0", "p1": "1"}
    assert run.data.tags["verdict"] == "supported"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run all"
    [used] = run.inputs.dataset_inputs
    assert (used.dataset.name, used.tags[0].value) == ("pairs", "training")
    assert json.loads(used.dataset.profile) == {"num_rows": 7}
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"samples.json", "tables", "notes.md"}


def test_everything_arrives_and_sending_again_changes_nothing(folder, client):
    fill_run(folder)
    assert Sender(folder).send_all()
    assert_complete(client)
    assert Sender(folder).send_all()
    for state in folder.glob("*.state.json"):
        state.unlink()
    assert Sender(folder).send_all()
    assert_complete(client)


def test_killed_after_any_call_to_mlflow_nothing_is_lost_or_doubled(folder, tracking):
    fill_run(folder)
    deaths = kill_at_each(Sender(folder).send_all, lambda: None, calls_into(mlflow_client))
    assert deaths > 8
    assert_complete(MlflowClient(tracking_uri()))


def test_tables_are_tables_to_mlflow(folder, client, monkeypatch):
    fill_run(folder)
    Sender(folder).send_all()
    run = runs(client)["all"]
    logged = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert logged == [{"path": name, "type": "table"} for name in ("samples.json", "tables/arms.json")]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", run.info.experiment_id)
    table = mlflow.load_table("samples.json", run_ids=[run.info.run_id])
    assert table["prompt"].tolist() == ["a", "b"]
    assert table["reward"].isna().tolist() == [False, True]


def test_a_parent_is_sent_before_its_children_whatever_their_names(folder, client):
    open_run(folder, "zz")
    open_run(folder, "mm", parent="zz")
    open_run(folder, "aa", parent="mm")
    Sender(folder).send_all()
    found = runs(client)
    assert found["aa"].data.tags["mlflow.parentRunId"] == found["mm"].info.run_id
    assert found["mm"].data.tags["mlflow.parentRunId"] == found["zz"].info.run_id
    assert "mlflow.parentRunId" not in found["zz"].data.tags


def test_more_parameters_and_metrics_than_one_request_takes(folder, client):
    tracker = open_run(folder, "big", params=250)
    points = METRICS_PER_BATCH + 500
    for step in range(points):
        tracker.metrics({"train/loss": float(step)}, step)
    tracker.metrics({f"m{index}": 1.0 for index in range(METRICS_PER_BATCH + 1)}, 0)
    assert Sender(folder).send_all()
    run = runs(client)["big"]
    assert run.data.params == {f"p{i}": str(i) for i in range(250)}
    assert history(client, run, "train/loss") == [(step, float(step)) for step in range(points)]
    assert len(run.data.metrics) == METRICS_PER_BATCH + 2


def test_a_run_that_the_user_deleted_does_not_hold_up_the_others(folder, client):
    doomed, other = open_run(folder, "doomed"), open_run(folder, "other")
    sender = Sender(folder)
    sender.send_all()
    client.delete_run(sender.run_id("doomed"))
    for tracker in (doomed, other):
        tracker.metrics({"train/loss": 1.0}, 0)
        tracker.finish("FINISHED")
    open_run(folder, "child", parent="doomed")
    assert sender.send_all()
    found = runs(client)
    assert found.keys() == {"other", "child"}
    assert history(client, found["other"], "train/loss") == [(0, 1.0)]
    assert found["other"].info.status == "FINISHED"


def test_an_experiment_that_the_user_deleted_comes_back_with_the_next_run(folder, client):
    open_run(folder, "first")
    Sender(folder).send_all()
    client.delete_experiment(client.get_experiment_by_name(PAPER).experiment_id)
    open_run(folder, "second").metrics({"train/loss": 1.0}, 0)
    assert Sender(folder).send_all()
    assert history(client, runs(client)["second"], "train/loss") == [(0, 1.0)]


def test_an_experiment_deleted_in_the_middle_of_a_run_stops_nothing(folder, client):
    sender = Sender(folder)
    open_run(folder, "first")
    sender.send_all()
    client.delete_experiment(client.get_experiment_by_name(PAPER).experiment_id)
    late = open_run(folder, "late")
    late.metrics({"train/loss": 1.0}, 0)
    late.finish("FINISHED")
    assert sender.send_all()


def test_a_line_that_a_killed_writer_left_half_written_stops_nothing(folder, client):
    (folder / "torn.jsonl").write_text('{"event": "create", "experi')
    open_run(folder, "half").close()
    with (folder / "half.jsonl").open("a") as stream:
        stream.write('{"event": "metrics", "st')
    open_run(folder, "whole").metrics({"train/loss": 1.0}, 0)
    assert Sender(folder).send_all()
    assert runs(client).keys() == {"half", "whole"}


def test_senders_of_one_folder_do_not_open_a_run_twice(folder, client):
    for index in range(8):
        open_run(folder, f"run{index}").metrics({"train/loss": float(index)}, 0)
    start = threading.Barrier(4)

    def send() -> None:
        sender = Sender(folder)
        assert sender.client.search_experiments()
        start.wait()
        sender.send_all()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = runs(client)
    assert {key: run.data.metrics["train/loss"] for key, run in found.items()} == {f"run{i}": i for i in range(8)}


def test_runs_of_a_dead_process_are_closed_as_killed_and_others_left_alone(folder, client):
    open_run(folder, "open").metrics({"train/loss": 1.0}, 0)
    open_run(folder, "done").finish("FINISHED")
    close_dead_runs()
    close_dead_runs()
    assert send_leftovers()
    assert {key: run.info.status for key, run in runs(client).items()} == {"open": "KILLED", "done": "FINISHED"}


def test_an_unreachable_server_is_reported_in_seconds_and_costs_nothing(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{LOOPBACK}:{free_port(LOOPBACK)}")
    fill_run(folder)
    assert not Sender(folder).send_all()
    assert list(folder.glob("*.state.json")) == []


def test_a_server_that_is_away_in_the_middle_gets_every_step_once(folder, tracking, monkeypatch):
    server = mlflow_server(free_port(LOOPBACK))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    tracker, sender = open_run(folder, "all"), Sender(folder)
    steps = iter(range(10**6))

    def log(count: int) -> None:
        for step in (next(steps) for _ in range(count)):
            tracker.metrics({"train/loss": float(step)}, step)

    try:
        log(50)
        server.start()
        sender.start()
        server.wait()
        until(lambda: sender.run_id("all"))
        log(50)
        server.stop()
        log(50)
        assert not sender.send_all()
        log(50)
        server.start()
        server.wait()
        log(50)
        tracker.finish("FINISHED")
        assert sender.stop()
        run = runs(MlflowClient(server.url))["all"]
        assert history(MlflowClient(server.url), run, "train/loss") == [(step, float(step)) for step in range(250)]
        assert run.info.status == "FINISHED"
    finally:
        server.stop()
