"""Trackers: what stages record lands in a spool, finite and in order."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tasks.engine.refs import DatasetRef
from tasks.engine.spool import NonFinite, read_events
from tasks.engine.tracking import Tracker, current_run_key, current_tracker, flatten, stage_tracker


@pytest.fixture
def tracker(tmp_path):
    with stage_tracker(tmp_path / "spool" / "abc.jsonl", tmp_path / "work") as tracker:
        yield tracker


def events(tracker: Tracker) -> list[dict]:
    return [event for event, _ in read_events(tracker._spool.path)]


def test_metrics_are_recorded_with_step_and_time(tracker):
    tracker.metrics({"train/loss": 1, "train/kl": 0.5}, step=3)
    tracker.metrics({"train/loss": 0.25}, step=4)
    first, second = events(tracker)
    assert (first["step"], first["values"]) == (3, {"train/loss": 1.0, "train/kl": 0.5})
    assert second["time_ms"] >= first["time_ms"] > 1_600_000_000_000


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused_by_name_and_not_recorded(tracker, value):
    with pytest.raises(NonFinite, match="train/loss"):
        tracker.metrics({"train/loss": value}, step=3)
    assert events(tracker) == []


def test_a_table_has_no_infinity_and_no_nan(tracker):
    rows = pd.DataFrame({"arm": ["dpo", "sft"], "kl": [float("inf"), 0.5], "reward": [float("nan"), -float("inf")]})
    tracker.table("tables/arms.json", rows)
    [event] = events(tracker)
    assert (event["name"], event["table"]) == ("tables/arms.json", True)
    content = json.loads(Path(event["path"]).read_text(), parse_constant=pytest.fail)
    assert content == {"columns": ["arm", "kl", "reward"], "data": [["dpo", None, None], ["sft", 0.5, None]]}


def test_a_file_is_recorded_as_it_is_now(tracker, tmp_path):
    source = tmp_path / "log.txt"
    source.write_text("first")
    tracker.file("logs/stage.txt", source)
    source.write_text("second")
    [event] = events(tracker)
    assert Path(event["path"]).read_text() == "first"
    assert event["name"] == "logs/stage.txt"


def test_a_data_set_is_recorded_by_its_digest(tracker):
    ref = DatasetRef(digest="ab" * 32, name="pairs", rows=7)
    tracker.dataset(ref, "training")
    [event] = events(tracker)
    assert (event["name"], event["rows"], event["source"]) == ("pairs", 7, ref.path)
    assert ref.digest.startswith(event["digest"])


def test_progress_reports_the_beginning_and_the_end(tracker):
    for done in range(1, 51):
        tracker.progress(done, 50)
        if done == 1:
            assert json.loads((tracker.work / "progress.json").read_text())["done"] == 1
    assert json.loads((tracker.work / "progress.json").read_text()) == {"done": 50, "total": 50, "unit": "steps"}


def test_a_stage_finds_its_own_tracker_and_only_there(tmp_path):
    assert current_run_key() == ""
    with stage_tracker(tmp_path / "abc.jsonl", tmp_path / "work") as tracker:
        assert current_tracker() is tracker
        assert current_run_key() == "abc"
    with pytest.raises(LookupError, match="stage_tracker"):
        current_tracker()


def test_a_nested_configuration_becomes_dotted_names():
    config = {"policy": {"beta": 0.1, "inner": {"on": True}}, "seeds": [0, 1], "name": "x"}
    assert flatten(config) == {"policy.beta": "0.1", "policy.inner.on": "True", "seeds": "[0, 1]", "name": "x"}
