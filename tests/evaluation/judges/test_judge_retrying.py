"""What can pass, how long to wait, and how fast to send."""

import asyncio
import selectors
import time
from email.utils import formatdate
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIConnectionError, APIStatusError, APITimeoutError
from pydantic import SecretStr
from tenacity import Future, RetryCallState

from tasks.data.rows import user_prompt
from tasks.evaluation.judges.judge import ChatRequest, Completion
from tasks.evaluation.judges.retrying import (
    Backoff,
    Empty,
    Failure,
    Fatal,
    Pace,
    Refused,
    Transient,
    failure_of,
    retry_after,
)
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.judges.wire import read_answer, write_request

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


class Jump(selectors.SelectSelector):
    """Does not wait: it moves a clock, which as any clock never stands still."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(1e-6, timeout or 0.0)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self.clock = Jump()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def times_of_turns(pace: Pace, turns: int, pause_before: int = -1, pause: float = 0.0) -> list[float]:
    async def take() -> list[float]:
        times = []
        for turn in range(turns):
            if turn == pause_before:
                pace.pause(pause)
            await pace.turn()
            times.append(asyncio.get_running_loop().time())
        return times

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(take())


@given(rate=st.floats(0.1, 6000.0), turns=st.integers(2, 40))
def test_no_minute_holds_more_requests_than_allowed(rate: float, turns: int) -> None:
    times = times_of_turns(Pace(rate), turns)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 60.0 / rate * (1 - 1e-6)
    assert times[-1] <= 60.0 / rate * turns * 1.01 + 1.0


def test_a_pause_holds_everybody() -> None:
    assert times_of_turns(Pace(0.0), 4)[-1] < 0.001
    times = times_of_turns(Pace(0.0), 4, pause_before=2, pause=10.0)
    assert times[1] < 0.001
    assert all(moment >= 10.0 for moment in times[2:])


def status_error(status: int, body: object = None, **headers: str) -> APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    return APIStatusError("said no", response=response, body=body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((status_error(status), Transient) for status in (408, 409, 429, 500, 502, 503, 529)),
        *((status_error(status), Refused) for status in (400, 413, 422)),
        *((status_error(status), Fatal) for status in (401, 403, 404)),
        (status_error(429, {"code": "insufficient_quota"}), Fatal),
        (APIConnectionError(request=REQUEST), Transient),
        (APITimeoutError(REQUEST), Transient),
    ],
)
def test_what_can_pass(error: Exception, kind: type[Failure]) -> None:
    assert type(failure_of(error)) is kind


def test_a_key_that_an_error_repeats_is_not_cut_in_two() -> None:
    key = SecretStr("sk-0123456789abcdef")
    for before in range(270, 310):
        error = APIStatusError(
            "x" * before + key.get_secret_value(), response=httpx2.Response(400, request=REQUEST), body=None
        )
        assert "sk-" not in str(failure_of(error, key))


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("7") == 7.0
    assert retry_after("0.5") == 0.5
    assert retry_after("") == retry_after("soon") == retry_after("-3") == retry_after("nan") == 0.0
    assert 100 < retry_after(formatdate(time.time() + 120, usegmt=True)) <= 120
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert failure_of(status_error(429, **{"retry-after": "7"})).retry_after == 7.0


@given(attempt=st.integers(1, 40), asked=st.floats(0.0, 100.0), start=st.floats(0.0, 10.0))
def test_waits_grow_are_bounded_and_never_shorter_than_asked(attempt: int, asked: float, start: float) -> None:
    settings = JudgeSettings(backoff_seconds=start, longest_wait_seconds=100.0)
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    state.attempt_number = attempt
    state.outcome = Future.construct(attempt, Transient("busy", 429, asked), has_exception=True)
    wait = Backoff(settings)(state)
    assert max(asked, min(start * 2 ** (attempt - 1), 100.0)) <= wait <= max(asked, 100.0)


def test_an_answer_is_read_or_is_a_fault() -> None:
    body = (
        '{"choices":[{"message":{"content":"m"},"finish_reason":"length","logprobs":{"content":[{"token":"m",'
        '"top_logprobs":[{"token":"m","logprob":-0.1},{"token":"M","logprob":-2.4}]}]}}],"usage":{"prompt_tokens":9,'
        '"completion_tokens":1}}'
    )
    assert read_answer(body) == Completion("m", (("m", -0.1), ("M", -2.4)), 9, 1)
    assert read_answer('{"choices":[{"message":{"content":"x"}}]}') == Completion("x")
    assert read_answer('{"choices":[{"message":{"content":null},"finish_reason":"length"}]}') == Completion("")
    parts = '[{"type":"text","text":"x"},{"type":"text","text":"y\\ud83d"}]'
    assert read_answer('{"choices":[{"message":{"content":' + parts + "}}]}") == Completion("xy\ufffd")
    nulls = '{"choices":[{"message":{"content":"x"},"logprobs":{"content":[{"top_logprobs":null}]}}],"usage":'
    assert read_answer(nulls + '{"prompt_tokens":null}}') == Completion("x")
    for empty in ('{"choices":[{"message":{"content":""}}]}', '{"choices":[{"message":{},"finish_reason":"stop"}]}'):
        with pytest.raises(Empty):
            read_answer(empty)
    for bad in ("", "<html>", "[]", '{"choices":[]}', '{"choices":[{}]}', '{"error":"busy"}'):
        with pytest.raises(Transient, match="no chat completion"):
            read_answer(bad)


def test_the_body_asks_for_log_probabilities_only_where_they_are_wanted() -> None:
    asked = ChatRequest(user_prompt("hi"), max_tokens=1, temperature=1.0, top_logprobs=5)
    assert write_request(asked, JudgeSettings(model="gpt")) == {
        "model": "gpt",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 1.0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 5,
    }
    plain = write_request(
        ChatRequest(user_prompt("hi"), max_tokens=8), JudgeSettings(token_limit_field="max_completion_tokens")
    )
    assert plain["max_completion_tokens"] == 8
    assert not {"max_tokens", "logprobs", "top_logprobs"} & plain.keys()
