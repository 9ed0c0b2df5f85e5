"""The client of endpoints against a real server, behind a proxy that goes wrong."""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_proxy import Fault, faulty_proxy
from judging_templates import Checksum, ChecksumGrade, comparisons

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.chat_judge import ChatJudge
from tasks.evaluation.judges.endpoint import Endpoint
from tasks.evaluation.judges.judge import ChatRequest, Grading
from tasks.evaluation.judges.opening import check_judge, open_judge
from tasks.evaluation.judges.settings import JudgeSettings

Settings = Callable[..., JudgeSettings]
KEY = "sk-test-6f1ed002ab5595859014ebf0951522d9"
PASSING: dict[int, Fault] = {
    1: "429", 2: "500", 3: "reset", 5: "malformed", 7: "truncated", 9: "unreadable", 11: "hang", 13: "503",
    15: "no completion", 17: "unreadable", 18: "empty", 20: "reset",
}  # fmt: skip
TRANSIENT = sum(fault != "unreadable" for fault in PASSING.values())
ASKED = 24


def judge_at(settings: JudgeSettings, folder: Path | None = None) -> tuple[ChatJudge, Endpoint]:
    endpoint = Endpoint(settings, AnswerCache(folder))
    return ChatJudge(endpoint, endpoint.name, endpoint.version), endpoint


def test_faults_that_pass_lose_no_verdict_and_double_none(
    chat_server: int, endpoint_settings: Settings, tmp_path: Path
) -> None:
    plain, _ = judge_at(endpoint_settings(chat_server), tmp_path / "plain")
    expected = plain.compare(comparisons(ASKED), Checksum())
    assert [verdict.comparison_id for verdict in expected] == [f"p{i}" for i in range(ASKED)]
    assert len({verdict.preference for verdict in expected}) > 3
    with faulty_proxy(chat_server, PASSING) as proxy:
        judge, endpoint = judge_at(endpoint_settings(proxy.port), tmp_path / "faulty")
        assert judge.compare(comparisons(ASKED), Checksum()) == expected
        assert len(proxy.chats) == ASKED + len(PASSING)
        assert endpoint.costs.retries == TRANSIENT
        assert endpoint.costs.requests == ASKED + 2
        assert endpoint.costs.cached_requests == 0
        assert endpoint.costs.completion_tokens == 6 * ASKED


def test_a_second_run_sends_nothing(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server, {2: "unreadable"}) as proxy:
        settings = endpoint_settings(proxy.port)
        first = open_judge(settings).compare(comparisons(6), Checksum())
        sent = len(proxy.chats)
        assert sent == 7
        again, endpoint = judge_at(settings)
        assert again.compare(comparisons(6), Checksum()) == first
        assert len(proxy.chats) == sent
        assert proxy.others == []
        assert (endpoint.costs.requests, endpoint.costs.cached_requests) == (0, sent)
        assert endpoint.costs.prompt_tokens == 0


def test_equal_requests_are_sent_once(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server) as proxy:
        endpoint = Endpoint(endpoint_settings(proxy.port), AnswerCache())
        request = ChatRequest(user_prompt("what is it ?"), max_tokens=4)
        first, second = endpoint.complete([request, request])
        assert len(proxy.chats) == 1
        assert (first.text, first.cached, second.cached) == (second.text, False, True)


def test_what_stays_unreadable_stays_in_the_list(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server, always="unreadable") as proxy:
        verdicts = open_judge(endpoint_settings(proxy.port)).compare(comparisons(3), Checksum(attempts=2))
        assert [(one.comparison_id, one.preference) for one in verdicts] == [("p0", None), ("p1", None), ("p2", None)]
        assert sorted(Counter(proxy.chats).values()) == [2, 2, 2]


def test_an_answer_that_stays_empty_is_an_answer(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server, always="empty") as proxy:
        judge = open_judge(endpoint_settings(proxy.port, retries=1))
        assert judge.compare(comparisons(1), Checksum(attempts=1))[0].preference is None
        assert len(proxy.chats) == 2
        judge.compare(comparisons(1), Checksum(attempts=1))
        assert len(proxy.chats) == 2


def test_grades_come_in_order(chat_server: int, endpoint_settings: Settings) -> None:
    gradings = [Grading(f"g{i}", user_prompt("say hello"), f"hello {i}") for i in range(5)]
    grades = open_judge(endpoint_settings(chat_server)).grade(gradings, ChecksumGrade())
    assert [grade.grading_id for grade in grades] == [f"g{i}" for i in range(5)]
    assert all(grade.value is not None and 1 <= grade.value <= 10 for grade in grades)


def test_one_lost_request_leaves_the_others_kept(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server, {3: "400"}) as proxy:
        settings = endpoint_settings(proxy.port)
        with pytest.raises(UserError, match=r"^1 of 6 judgments are missing: .*HTTP 400.*asks only for these$"):
            open_judge(settings).compare(comparisons(6), Checksum())
        assert len(proxy.chats) == 6
        assert len(open_judge(settings).compare(comparisons(6), Checksum())) == 6
        assert len(proxy.chats) == 7


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("401", "check the key in JUDGE_KEY"),
        ("404", "check the model's name"),
        ("429 for an hour", "asks to wait 3600 s"),
    ],
)
def test_what_every_request_would_meet_ends_at_once(
    chat_server: int, endpoint_settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: Fault, advice: str
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with faulty_proxy(chat_server, always=fault) as proxy:
        judge = open_judge(endpoint_settings(proxy.port, api_key_variable="JUDGE_KEY", concurrency=2))
        with pytest.raises(UserError, match=advice):
            judge.compare(comparisons(30), Checksum())
        assert len(proxy.chats) <= 2


def test_a_server_that_only_fails_is_left_alone(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server, always="500") as proxy:
        with pytest.raises(UserError, match="50 of 50 judgments are missing"):
            open_judge(endpoint_settings(proxy.port, retries=2)).compare(comparisons(50), Checksum())
        assert len(proxy.chats) <= 3 * (8 + 4)


def test_a_server_that_never_comes_to_an_end_is_not_waited_for(chat_server: int, endpoint_settings: Settings) -> None:
    with faulty_proxy(chat_server, {1: "drip"}) as proxy:
        judge, endpoint = judge_at(endpoint_settings(proxy.port, timeout_seconds=1.0))
        start = time.monotonic()
        assert len(judge.compare(comparisons(1), Checksum())) == 1
        assert time.monotonic() - start < 6.0
        assert endpoint.costs.retries == 1


def test_the_key_is_sent_and_written_nowhere(
    chat_server: int,
    endpoint_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rlhf_home: Path,
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    with faulty_proxy(chat_server, {1: "500", 4: "401"}) as proxy:
        settings = endpoint_settings(proxy.port, api_key_variable="JUDGE_KEY", concurrency=1)
        with pytest.raises(UserError, match="401") as raised:
            open_judge(settings).compare(comparisons(6), Checksum())
        assert proxy.keys == {f"Bearer {KEY}"}
    below_this_test = [repr(entry.frame.f_locals) for entry in raised.traceback[1:]]
    assert KEY not in f"{raised.value}{below_this_test}{settings!r}{settings.model_dump_json()}"
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert "***" in str(raised.value)
    assert caplog.records
    assert KEY not in caplog.text
    files = [path for path in rlhf_home.rglob("*") if path.is_file()]
    assert any(path.name == "answers.sqlite" for path in files)
    assert all(KEY.encode() not in path.read_bytes() for path in files)


def test_the_key_does_not_change_what_is_cached(
    chat_server: int, endpoint_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(chat_server) as proxy:
        for key in ("one", "two"):
            monkeypatch.setenv("JUDGE_KEY", key)
            open_judge(endpoint_settings(proxy.port, api_key_variable="JUDGE_KEY")).compare(comparisons(2), Checksum())
        assert len(proxy.chats) == 2


def test_checking_asks_the_server_and_judges_nothing(
    chat_server: int, endpoint_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(chat_server) as proxy:
        check_judge(endpoint_settings(proxy.port))
        assert (proxy.others, proxy.chats) == (["/v1/models"], [])
    with pytest.raises(UserError, match=r"check that .* is right and its server runs"):
        check_judge(endpoint_settings(proxy.port))
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with (
        faulty_proxy(chat_server, always="401") as proxy,
        pytest.raises(UserError, match="check the key in JUDGE_KEY") as raised,
    ):
        check_judge(endpoint_settings(proxy.port, api_key_variable="JUDGE_KEY"))
    assert KEY not in str(raised.value)
