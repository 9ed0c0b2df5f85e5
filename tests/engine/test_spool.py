"""Spools: what was appended is read back, whoever died in between."""

import json
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from tasks.engine.spool import NonFinite, Spool, read_events

EVENTS = st.lists(st.dictionaries(st.text(max_size=6), st.integers() | st.text(max_size=9), max_size=3), max_size=6)


@given(EVENTS)
def test_what_is_appended_is_read_in_order_from_any_offset(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("spool") / "run.jsonl"
    spool = Spool(path)
    for event in events:
        spool.append(event)
    spool.close()
    read = read_events(path)
    assert [event for event, _ in read] == events
    for index, (_, offset) in enumerate(read):
        assert [event for event, _ in read_events(path, offset)] == events[index + 1 :]


def test_cut_at_any_byte_the_whole_events_remain_and_the_next_is_not_lost(tmp_path):
    events = [{"step": step, "name": "a\nb é" * step} for step in range(4)]
    path = tmp_path / "run.jsonl"
    spool = Spool(path)
    for event in events:
        spool.append(event)
    content = path.read_bytes()
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        assert [event for event, _ in read_events(path)] == events[:whole]
        spool.append({"after": cut})
        read = [event for event, _ in read_events(path)]
        assert read[-1] == {"after": cut}
        assert [event for event in read[:-1] if event in events] == read[:-1]
        assert read[:whole] == events[:whole]


def test_a_writer_that_is_killed_leaves_a_beginning_of_what_it_wrote(tmp_path):
    path = tmp_path / "run.jsonl"
    pid = os.fork()
    if not pid:
        try:
            spool = Spool(path)
            for step in range(10**7):
                spool.append({"step": step, "padding": "x" * (step % 5000)})
        finally:
            os._exit(1)
    until(lambda: path.exists() and path.stat().st_size > 200_000)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    Spool(path).append({"step": "next"})
    steps = [event["step"] for event, _ in read_events(path)]
    assert steps == [*range(len(steps) - 1), "next"]
    assert len(steps) > 50


def test_writers_of_one_spool_do_not_mix_their_lines(tmp_path):
    path = tmp_path / "run.jsonl"
    children = []
    for writer in range(3):
        if not (pid := os.fork()):
            try:
                spool = Spool(path)
                for step in range(200):
                    spool.append({"writer": writer, "step": step, "padding": "x" * 300})
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    lines = path.read_text().splitlines()
    assert sorted((json.loads(line)["writer"], json.loads(line)["step"]) for line in lines) == [
        (writer, step) for writer in range(3) for step in range(200)
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused_by_name(tmp_path, value):
    spool = Spool(tmp_path / "run.jsonl")
    with pytest.raises(NonFinite, match=r"train/loss=") as caught:
        spool.append({"event": "metrics", "values": {"train/kl": 0.5, "train/loss": value}})
    assert "train/kl" not in str(caught.value)
    assert read_events(tmp_path / "run.jsonl") == []


def test_a_spool_that_is_not_there_has_no_events(tmp_path):
    assert read_events(tmp_path / "none.jsonl") == []
