"""Chat models as judges see them: requests in, completions out, each answered once and kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tasks.engine.schema import UserError
from tasks.engine.tracking import Tracker, current_tracker
from tasks.evaluation.judges.cache import AnswerCache, request_key
from tasks.evaluation.judges.judge import ChatRequest, Completion


class ChatModel(Protocol):
    """Anything that answers chat requests: an endpoint, a model in this process."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def version(self) -> str:
        """Which weights, or whose model: part of a score's identity."""
        ...

    def complete(self, requests: Sequence[ChatRequest]) -> list[Completion]:
        """One completion a request, in order; equal requests are asked once.

        Raises UserError if some could not be answered; all others have been answered and stored by then, so that
        the same call asks only for what is missing.
        """
        ...


@dataclass
class Costs:
    """What a chat model has cost since it was opened."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    """Answers that were not cached."""
    cached_requests: int = 0
    retries: int = 0
    """Requests sent again after an error, or after an answer that could not be used."""
    calls: int = field(default=0, repr=False)

    def report(self) -> None:
        """Record the sums so far as metrics of the stage that is running, if one is."""
        self.calls += 1
        if tracker := running_tracker():
            named = {
                "cost/prompt_tokens": self.prompt_tokens,
                "cost/completion_tokens": self.completion_tokens,
                "cost/requests": self.requests,
                "cost/cached_requests": self.cached_requests,
                "judge/retries": self.retries,
            }
            tracker.metrics(named, self.calls)


Store = Callable[[str, Completion], None]
"""Keeps the answer to the request of a key."""
Ask = Callable[[Mapping[str, ChatRequest], Store], Sequence[str]]
"""Answers requests by key, storing each at once; returns the reasons for which some have no answer."""


def complete_through_cache(
    requests: Sequence[ChatRequest], judge: str, cache: AnswerCache, costs: Costs, ask: Ask
) -> list[Completion]:
    """Answer from the ``cache`` what is there, and ``ask`` for the rest; see ``ChatModel.complete``.

    ``judge`` is who is asked, for the keys. Costs are counted and reported, also where this raises.
    """
    keys = [request_key(judge, request) for request in requests]
    found = cache.get(keys)
    missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
    costs.cached_requests += len(keys) - len(missing)
    tracker = running_tracker()

    def store(key: str, completion: Completion) -> None:
        found[key] = cache.put(key, completion)
        costs.requests += 1
        costs.prompt_tokens += completion.prompt_tokens
        costs.completion_tokens += completion.completion_tokens
        if tracker:
            tracker.progress(len(found), len(set(keys)), "judgments")

    try:
        reasons = ask(missing, store) if missing else []
    finally:
        costs.report()
    if lacking := len([key for key in keys if key not in found]):
        raise UserError(
            f"{lacking} of {len(keys)} judgments are missing: {reasons[0] if reasons else 'the judge gave no answer'}; "
            "the others are kept, and the same command asks only for these"
        )
    return mark_repeats(keys, found)


def running_tracker() -> Tracker | None:
    """The tracker of the stage that is running; None outside one (in a notebook, a test)."""
    try:
        return current_tracker()
    except LookupError:
        return None


def mark_repeats(keys: Sequence[str], found: Mapping[str, Completion]) -> list[Completion]:
    """The completion of every key; from the second use of a key on it counts as cached."""
    completions: list[Completion] = []
    seen: set[str] = set()
    for key in keys:
        completions.append(replace(found[key], cached=True) if key in seen else found[key])
        seen.add(key)
    return completions
