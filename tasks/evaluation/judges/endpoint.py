"""A chat model behind any OpenAI-compatible API: hosted, or a server of your own (vLLM, ``transformers serve``)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from openai import APIStatusError, AsyncOpenAI, OpenAIError
from pydantic import SecretStr
from tenacity import RetryCallState

from tasks.engine.schema import UserError
from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.chat import Costs, Store, complete_through_cache
from tasks.evaluation.judges.judge import ChatRequest, Completion
from tasks.evaluation.judges.keys import find_key, hide
from tasks.evaluation.judges.retrying import Empty, Failure, Fatal, Pace, Refused, attempts, failure_of
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.judges.wire import read_answer, write_request

NO_KEY = "none"
"""Sent where no key is wanted; the client insists on one."""
FEWEST_FAILURES = 8
"""At least so many requests in a row must fail for good before the rest is not sent."""
CHECK_SECONDS = 10.0


class Endpoint:
    """A ``ChatModel`` at ``settings.base_url``; requests are rate-limited, retried and answered from the cache."""

    def __init__(self, settings: JudgeSettings, cache: AnswerCache) -> None:
        """Find the key; nothing is sent. Raises UserError if it is missing."""
        self.name = settings.model
        self.version = settings.revision or settings.base_url.rstrip("/")
        self.costs = Costs()
        self._settings, self._cache = settings, cache
        self._key: SecretStr = find_key(settings)

    def complete(self, requests: Sequence[ChatRequest]) -> list[Completion]:
        """See ``ChatModel.complete``; not to be called from a coroutine."""
        judge = f"{self.version} {self.name}"
        return complete_through_cache(requests, judge, self._cache, self.costs, self._ask)

    def check(self) -> None:
        """Ask the server for its models. Raises UserError if nobody answers, or the key is refused.

        Any other answer will do: not every server keeps a list of models.
        """
        try:
            asyncio.run(self._list_models())
        except (OpenAIError, TimeoutError) as error:
            status = error.status_code if isinstance(error, APIStatusError) else 0
            if status in {0, 401, 403}:
                raise UserError(explain(self._settings, self._key, failure_of(error, self._key))) from None

    async def _list_models(self) -> None:
        async with open_client(self._settings, self._key) as client, asyncio.timeout(CHECK_SECONDS):
            await client.with_options(timeout=CHECK_SECONDS).get("/models", cast_to=str)

    def _ask(self, missing: Mapping[str, ChatRequest], store: Store) -> Sequence[str]:
        return asyncio.run(Errand(self._settings, self._key, self.costs, store).run(missing))


class Errand:
    """The requests of one call: workers that send them, and what they have learnt of the server."""

    def __init__(self, settings: JudgeSettings, key: SecretStr, costs: Costs, store: Store) -> None:
        self._settings, self._key, self._costs, self._store = settings, key, costs, store
        self._pace = Pace(settings.requests_per_minute)
        self._reasons: list[str] = []
        self._failed_in_a_row = 0
        self._stopped = False

    async def run(self, missing: Mapping[str, ChatRequest]) -> Sequence[str]:
        """Answer what can be answered, and return why something could not be."""
        async with open_client(self._settings, self._key) as client:
            waiting = iter(missing.items())
            workers = min(self._settings.concurrency, len(missing))
            await asyncio.gather(*(self._work(client, waiting) for _ in range(workers)))
        return self._reasons

    async def _work(self, client: AsyncOpenAI, waiting: Iterable[tuple[str, ChatRequest]]) -> None:
        patience = max(FEWEST_FAILURES, self._settings.concurrency)
        for key, request in waiting:
            try:
                self._store(key, await self._complete(client, request))
            except Failure as failure:
                self._reasons.append(explain(self._settings, self._key, failure))
                self._failed_in_a_row += 1
                self._stopped |= isinstance(failure, Fatal) or self._failed_in_a_row >= patience
            else:
                self._failed_in_a_row = 0
            if self._stopped:
                return

    async def _complete(self, client: AsyncOpenAI, request: ChatRequest) -> Completion:
        """The answer after as many attempts as it takes. Raises Failure; what stays empty is an empty answer."""
        try:
            answer: Completion = await attempts(self._settings, self._count_retry)(self._send, client, request)
        except Empty as empty:
            return empty.completion
        return answer

    async def _send(self, client: AsyncOpenAI, request: ChatRequest) -> Completion:
        """One attempt. Raises Failure."""
        await self._pace.turn()
        try:
            # The client's own limit is of a silence, and a server that sends a byte now and then is never silent.
            async with asyncio.timeout(self._settings.timeout_seconds):
                body = await client.post("/chat/completions", cast_to=str, body=write_request(request, self._settings))
        except (OpenAIError, TimeoutError) as error:
            # Not chained: the client's exception holds the request with its headers.
            raise self._heed(failure_of(error, self._key)) from None
        return read_answer(body)

    def _heed(self, failure: Failure) -> Failure:
        """Leave the server alone for as long as it asks; a wait that is too long ends the errand."""
        seconds, longest = failure.retry_after, self._settings.longest_wait_seconds
        if seconds > longest:
            return Fatal(f"{failure}, asks to wait {seconds:.0f} s, more than longest_wait_seconds ({longest:g})")
        self._pace.pause(seconds)
        return failure

    def _count_retry(self, _: RetryCallState) -> None:
        self._costs.retries += 1


def open_client(settings: JudgeSettings, key: SecretStr) -> AsyncOpenAI:
    """OpenAI's client without its own retries."""
    return AsyncOpenAI(
        base_url=settings.base_url,
        api_key=key.get_secret_value() or NO_KEY,
        timeout=settings.timeout_seconds,
        max_retries=0,
    )


def explain(settings: JudgeSettings, key: SecretStr, failure: Failure) -> str:
    """A failure in one line with what to do about it, and without the key."""
    return hide(key, f"judge {settings.model!r} at {settings.base_url}: {failure}; {advice(settings, failure)}")


def advice(settings: JudgeSettings, failure: Failure) -> str:
    """What to do about a failure."""
    place = f"Prefect Secret block {settings.api_key_block!r}" if settings.api_key_block else settings.api_key_variable
    match failure.status:
        case 401 | 403:
            return f"check the key in {place or 'api_key_variable, which is empty'}, and what it may use"
        case 404:
            return f"check the model's name ({settings.model!r}) and base_url, which usually ends in /v1"
    if isinstance(failure, Refused):
        return "check the model's name, its longest context and token_limit_field"
    if isinstance(failure, Fatal):
        return "go on when the server's limits allow it"
    return f"check that {settings.base_url} is right and its server runs, or raise retries or timeout_seconds"
