"""Answers on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.data.rows import Message
from tasks.engine.schema import UserError
from tasks.evaluation.judges.cache import AnswerCache, request_key
from tasks.evaluation.judges.judge import ChatRequest, Completion

ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
from pathlib import Path
from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.judge import Completion

cache = AnswerCache(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    cache.put(f"key {number}", Completion(f"{sys.argv[2]} {number}" + "x" * 2000))
    print(number, flush=True)
"""
finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]))
messages = st.lists(st.builds(Message, role=st.sampled_from(["user", "system"]), content=text), max_size=3)
requests = st.builds(
    ChatRequest, messages=messages, max_tokens=st.integers(1, 9), temperature=st.sampled_from([0.0, 1.0]),
    top_logprobs=st.integers(0, 2), attempt=st.integers(0, 2),
)  # fmt: skip


def writer(folder: Path, name: str, answers: int) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(folder), name, str(answers)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@given(first=requests, second=requests)
def test_keys_are_equal_exactly_when_requests_are(first: ChatRequest, second: ChatRequest) -> None:
    assert (request_key("judge", first) == request_key("judge", second)) == (first == second)
    assert request_key("judge", first) != request_key("other judge", first)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=text, likely=st.lists(st.tuples(text, finite), max_size=3), tokens=st.integers(0, 2**31), key=text)
def test_what_is_stored_comes_back(
    tmp_path: Path, said: str, likely: list[tuple[str, float]], tokens: int, key: str
) -> None:
    cache = AnswerCache(tmp_path)
    cache._connection.execute("DELETE FROM answers")
    completion = Completion(said, tuple(likely), tokens, tokens)
    assert cache.get([key]) == {}
    assert cache.put(key, completion) == completion
    cache.close()
    assert AnswerCache(tmp_path).get([key, "absent"]) == {key: Completion(said, tuple(likely), tokens, tokens, True)}


def test_the_first_answer_stays(tmp_path: Path) -> None:
    one, two = AnswerCache(tmp_path), AnswerCache(tmp_path)
    assert one.put("key", Completion("first")).text == "first"
    assert two.put("key", Completion("second")).text == "first"


def test_many_keys_are_read_at_once(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    keys = [f"key {number}" for number in range(1203)]
    for key in keys[::2]:
        cache.put(key, Completion(key))
    assert {key: answer.text for key, answer in cache.get(keys).items()} == {key: key for key in keys[::2]}


def test_two_processes_write_together(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 300) for name in ("one", "two")]
    assert [process.wait() for process in writers if process.communicate()] == [0, 0]
    found = AnswerCache(tmp_path).get([f"key {number}" for number in range(300)])
    assert len(found) == 300
    assert all(found[f"key {n}"].text in {f"one {n}" + "x" * 2000, f"two {n}" + "x" * 2000} for n in range(300))


def test_a_killed_writer_loses_nothing_it_had_stored(tmp_path: Path) -> None:
    for death in (3, 40, 170):
        process = writer(tmp_path, f"life {death}", 10_000)
        assert process.stdout
        stored = [int(process.stdout.readline()) for _ in range(death)]
        process.kill()
        stored += [int(line) for line in process.communicate()[0].splitlines()]
        cache = AnswerCache(tmp_path)
        assert len(cache.get([f"key {number}" for number in stored])) == len(stored)
        assert cache._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        cache.close()


def test_a_folder_that_cannot_hold_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cache of judgments cannot be opened"):
        AnswerCache(tmp_path / "file" / "below")
    (tmp_path / "answers.sqlite").write_bytes(b"no database at all, but long enough to be read as one" * 40)
    with pytest.raises(UserError, match="move the file away if it is damaged"):
        AnswerCache(tmp_path)


def test_a_file_damaged_inside_is_named(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    keys = [f"key {number}" for number in range(200)]
    for key in keys:
        cache.put(key, Completion("x" * 500))
    cache._connection.execute("UPDATE answers SET answer = '{}' WHERE key = 'key 7'")
    with pytest.raises(UserError, match="cannot be read"):
        cache.get(["key 7"])
    cache.close()
    file = tmp_path / "answers.sqlite"
    file.write_bytes(file.read_bytes()[:8192] + b"\xff" * (file.stat().st_size - 8192))
    with pytest.raises(UserError, match=r"cannot be (read|opened)"):
        AnswerCache(tmp_path).get(keys)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    cache._connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(UserError, match="cannot be kept"):
        cache.put("key", Completion("x" * 100_000))
