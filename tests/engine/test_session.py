"""A run of a paper: its tree in MLflow, its lost and damaged artifacts, and what a failing arm does to the others."""

import shutil
from pathlib import Path
from uuid import UUID

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from toy_flow import PAPER, Plan, toy_flow
from toy_stages import Toy, write_rows

from tasks.engine import system_metrics
from tasks.engine.caching import stage_key
from tasks.engine.home import tracking_uri
from tasks.engine.progress import listener
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError
from tasks.engine.session import arm, current_session, paper_run
from tasks.engine.spool import read_events
from tasks.engine.store import Store

TOY = Toy(steps=6)


@pytest.fixture
def one_run(prefect_server, tracking, monkeypatch):
    """Arms that succeed, die once, raise and are refused: the flow's answer, all MLflow runs, the progress heard."""
    monkeypatch.setattr(system_metrics, "SAMPLE_SECONDS", 0.1)
    arms = {"line": TOY, "killed": TOY.model_copy(update={"kill_at": 3})}
    heard: list[tuple[str, int, int, str]] = []
    token = listener.set(lambda *progress: heard.append(progress))
    answer = toy_flow(Plan(arms=arms, broken=True))
    listener.reset(token)
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name(PAPER).experiment_id])
    return answer, runs, client, heard


def named(runs: list[Run], name: str) -> list[Run]:
    return [run for run in runs if run.info.run_name == name]


def parent_of(run: Run) -> str:
    return run.data.tags.get("mlflow.parentRunId", "")


def test_the_tree_of_a_run_with_arms_that_die_raise_and_are_refused(one_run):
    answer, runs, client, heard = one_run
    [root] = named(runs, PAPER)
    arms = {name: named(runs, f"{name}-s0")[0] for name in ("line", "killed", "stumbles", "refuses")}
    assert answer["line"] == answer["killed"]

    assert parent_of(root) == ""
    assert all(parent_of(run) == root.info.run_id for run in arms.values())
    [rows] = named(runs, "write_rows")
    assert parent_of(rows) == root.info.run_id
    fits = {parent_of(run): [] for run in named(runs, "fit_line")}
    for run in named(runs, "fit_line"):
        fits[parent_of(run)].append(run.info.status)
    assert fits == {
        arms["line"].info.run_id: ["FINISHED"],
        arms["killed"].info.run_id: ["FINISHED", "FAILED"],
    }
    [stumble], [refusal] = named(runs, "stumble"), named(runs, "refuse")
    assert (parent_of(stumble), stumble.info.status) == (arms["stumbles"].info.run_id, "FAILED")
    assert stumble.data.tags["error"] == "ArithmeticError: seven eighths"
    assert refusal.data.tags["error"] == "line 3: no field 'rejected'"
    statuses = {name: run.info.status for name, run in arms.items()}
    assert statuses == {"line": "FINISHED", "killed": "FINISHED", "stumbles": "FAILED", "refuses": "FAILED"}
    assert root.info.status == "FINISHED"

    assert root.data.params["arms.line.steps"] == "6"
    assert arms["line"].data.params == {"arm": "line", "seed": "0"}
    [fit] = [run for run in named(runs, "fit_line") if parent_of(run) == arms["line"].info.run_id]
    assert fit.data.params["toy.steps"] == "6"
    expected = {"paper": PAPER, "family": "toy", "arm": "line", "seed": "0", "mode": "offline", "level": "arm"}
    assert expected.items() <= arms["line"].data.tags.items()
    assert len(fit.data.tags["stage_key"]) == 64
    assert all(len(run.data.tags["prefect.flow_run_id"]) == 36 for run in runs)
    assert len({run.data.tags["prefect.flow_run_id"] for run in runs}) == 1

    losses = client.get_metric_history(fit.info.run_id, "train/loss")
    assert [point.step for point in losses] == list(range(6))
    assert all(fit.data.metrics[f"cost/{name}"] > 0 for name in ("seconds", "cpu_seconds", "peak_memory_mib"))
    assert client.get_metric_history(root.info.run_id, "system/cpu_utilization_percentage")

    assert ("fit_line line-s0", 6, 6, "steps") in heard
    assert progress_shown(root.data.tags["prefect.flow_run_id"])["progress-fit-line-line-s0"] == 100.0


def progress_shown(flow_run_id: str) -> dict[str, float]:
    """Prefect's progress artifacts of a flow run, in per cent."""
    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(flow_run_id)]))
    with get_client(sync_client=True) as client:
        return {found.key: found.data for found in client.read_artifacts(artifact_filter=wanted)}


def rows_written() -> int:
    """How often ``write_rows`` has been computed in this run."""
    events = [event for spool in current_session().folder.glob("*.jsonl") for event, _ in read_events(spool)]
    return sum(event["event"] == "create" and event["tags"].get("stage") == "write_rows" for event in events)


def folder_of(ref: DatasetRef) -> Path:
    return Store().open(ref)


def test_what_was_computed_is_found_again_and_what_is_lost_or_damaged_is_computed_again(prefect_server, tracking):
    counts: dict[str, int] = {}

    @flow
    def ask_again() -> None:
        with paper_run(PAPER, TOY, {}):
            first = write_rows(5)
            counts["first"] = rows_written()
            assert write_rows(count=5) == first
            counts["again"] = rows_written()
            with arm("other", seed=1):
                assert write_rows(5) == first
            counts["by another arm"] = rows_written()
            assert write_rows(6).digest != first.digest
            counts["another input"] = rows_written()
            shutil.rmtree(folder_of(first))
            assert write_rows(5).digest == first.digest
            counts["lost"] = rows_written()
            (folder_of(first) / "rows.txt").write_text("0\n1\n2\n3\n5")
            assert write_rows(5).digest == first.digest
            assert (folder_of(first) / "rows.txt").read_text() == "0\n1\n2\n3\n4"
            counts["damaged"] = rows_written()
            assert write_rows(5).digest == first.digest
            counts["healed"] = rows_written()
            record = tracking.parents[1] / "results" / stage_key(write_rows.fn.__wrapped__, {"count": 5})
            record.write_bytes(record.read_bytes()[:40])
            assert write_rows(5).digest == first.digest
            counts["torn record"] = rows_written()
            with pytest.raises(TypeError, match="pass a reference or a frozen model"):
                write_rows(torch.tensor(5))
            counts["no key"] = rows_written()

    ask_again()
    assert counts == {
        "first": 1, "again": 1, "by another arm": 1, "another input": 2, "lost": 3, "damaged": 4, "healed": 4,
        "torn record": 5, "no key": 5,
    }  # fmt: skip


def test_a_store_that_cannot_be_written_stops_a_run_before_it_begins(prefect_server, tracking, monkeypatch):
    home = tracking.parents[1]
    (home / "file").touch()
    monkeypatch.setenv("RLHF_STORE", f"{home}/file/store")
    with pytest.raises(UserError, match=r"file/store: the artifact store cannot be written"):
        toy_flow(Plan(arms={"line": TOY}))
    assert not (home / "spool").exists()
    assert not (home / "work").exists()


def test_outside_a_run_a_stage_says_what_to_do(rlhf_home):
    with pytest.raises(LookupError, match="paper_run"):
        current_session()
    with pytest.raises(LookupError, match="paper_run"), arm("dpo", seed=0):
        pass
