"""Which failures of a request can pass, how long to wait before it is sent again, and how fast requests may go."""

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from aiolimiter import AsyncLimiter
from openai import APIConnectionError, APIStatusError, APITimeoutError
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_base, wait_exponential_jitter

from tasks.evaluation.judges.judge import Completion
from tasks.evaluation.judges.keys import hide
from tasks.evaluation.judges.settings import JudgeSettings

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that can pass."""
FATAL = frozenset({401, 403, 404})
"""Statuses that every other request would meet too."""
NO_SECRET = SecretStr("")
SPENT = "insufficient_quota"
"""The code of a 429 that no waiting ends."""


class Failure(Exception):
    """Why a request has no answer; ``status`` is that of HTTP, 0 where none came."""

    def __init__(self, reason: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


class Transient(Failure):
    """It can pass; ``retry_after`` is what the server asks to wait, in seconds, 0 if it does not say."""


class Empty(Transient):
    """An answer without a word; kept as it is where it comes again and again."""

    def __init__(self, completion: Completion) -> None:
        super().__init__("the answer is empty")
        self.completion = completion


class Refused(Failure):
    """The server will never answer this request."""


class Fatal(Failure):
    """The server will answer none of the requests: wrong key, wrong address, no such model, no quota left."""


def failure_of(error: Exception, key: SecretStr = NO_SECRET) -> Failure:
    """What an exception of the client means for the request, told without the key."""
    if isinstance(error, (APITimeoutError, TimeoutError)):
        return Transient("no answer in time")
    if isinstance(error, APIConnectionError):
        return Transient(f"connection failed ({told(error.__cause__ or error, key)[:120]})")
    if not isinstance(error, APIStatusError):
        return Transient(f"unusable answer ({told(error, key)[:120]})")
    status, reason = error.status_code, f"HTTP {error.status_code}: {told(error, key)[:300]}"
    if status in FATAL or error.code == SPENT:
        return Fatal(reason, status)
    if status in PASSING or status >= 500:
        return Transient(reason, status, retry_after(error.response.headers.get("retry-after", "")))
    return Refused(reason, status)


def told(error: BaseException, key: SecretStr) -> str:
    """An error's message without line breaks, to be shortened: the key is out of it, where it would be cut in two."""
    return " ".join(hide(key, str(error)).split())


def retry_after(header: str) -> float:
    """Seconds of a ``Retry-After`` header (seconds or an HTTP date, RFC 9110); 0 if it is empty or neither."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


class Backoff(wait_base):
    """Exponential backoff with jitter, and never less than the server asks for."""

    def __init__(self, settings: JudgeSettings) -> None:
        start, longest = settings.backoff_seconds, settings.longest_wait_seconds
        self._grow = wait_exponential_jitter(initial=start, max=longest, jitter=start)

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        failure = retry_state.outcome.exception() if retry_state.outcome else None
        asked = failure.retry_after if isinstance(failure, Failure) else 0.0
        return max(asked, self._grow(retry_state))


def attempts(settings: JudgeSettings, before_retry: Callable[[RetryCallState], None]) -> AsyncRetrying:
    """The attempts at one request; the last failure is raised as it is."""
    return AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        wait=Backoff(settings),
        stop=stop_after_attempt(settings.retries + 1),
        before_sleep=before_retry,
        reraise=True,
    )


class Pace:
    """When the next request may be sent: evenly spaced, and not while the server wants to be left alone."""

    def __init__(self, requests_per_minute: float) -> None:
        self._limiter = AsyncLimiter(1, 60.0 / requests_per_minute) if requests_per_minute else None
        self._quiet_until = 0.0

    async def turn(self) -> None:
        """Return when a request may be sent."""
        clock = asyncio.get_running_loop()
        while (left := self._quiet_until - clock.time()) > 0:
            await asyncio.sleep(left)
        if self._limiter:
            await self._limiter.acquire()

    def pause(self, seconds: float) -> None:
        """Let nobody send for ``seconds`` from now."""
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + seconds)
