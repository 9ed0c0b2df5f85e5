"""The JSON of OpenAI's chat completions, as far as judges write and read it."""

import json
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from tasks.data.records import mended
from tasks.evaluation.judges.judge import ChatRequest, Completion
from tasks.evaluation.judges.retrying import Empty, Transient
from tasks.evaluation.judges.settings import JudgeSettings

STOPPED = frozenset({"stop", ""})
"""Ends of an answer after which an empty one is a fault; cut off or filtered, it would be empty again."""


class Likely(BaseModel):
    """A likely token and its log-probability in nats."""

    token: str
    logprob: float


class TokenLogProbs(BaseModel):
    """The likeliest tokens at one position."""

    top_logprobs: list[Likely] | None = None


class LogProbs(BaseModel):
    """Log-probabilities by position."""

    content: list[TokenLogProbs] | None = None


class Part(BaseModel):
    """A part of a message; only text is read."""

    text: str = ""


class Spoken(BaseModel):
    """What the assistant said, in one piece or in parts."""

    content: str | list[Part] | None = None

    def text(self) -> str:
        """All of it."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class Choice(BaseModel):
    """One answer."""

    message: Spoken
    finish_reason: str | None = None
    logprobs: LogProbs | None = None


class Usage(BaseModel):
    """Tokens of a request; some servers give none."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ChatAnswer(BaseModel):
    """The part of a chat completion that judges read."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


def write_request(request: ChatRequest, settings: JudgeSettings) -> dict[str, Any]:
    """The body that asks for a request."""
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": [dict(message) for message in request.messages],
        "temperature": request.temperature,
        settings.token_limit_field: request.max_tokens,
    }
    return body | ({"logprobs": True, "top_logprobs": request.top_logprobs} if request.top_logprobs else {})


def read_answer(body: str) -> Completion:
    """The completion in a response's body. Raises Transient if it is none, Empty if nothing was said."""
    try:
        answer = ChatAnswer.model_validate(mended(json.loads(body)))
    except ValidationError as error:
        kinds = ", ".join(sorted({problem["type"] for problem in error.errors(include_input=False)}))
        raise Transient(f"the answer is no chat completion ({kinds})") from None
    except (ValueError, RecursionError):
        raise Transient("the answer is no chat completion (no JSON)") from None
    choice, usage = answer.choices[0], answer.usage or Usage()
    positions = (choice.logprobs.content if choice.logprobs else None) or []
    first = tuple((likely.token, likely.logprob) for likely in positions[0].top_logprobs or ()) if positions else ()
    text = choice.message.text()
    completion = Completion(text, first, usage.prompt_tokens or 0, usage.completion_tokens or 0)
    if not text and not first and (choice.finish_reason or "") in STOPPED:
        raise Empty(completion)
    return completion
