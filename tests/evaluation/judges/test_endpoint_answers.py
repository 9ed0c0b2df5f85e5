"""A served model as the one who is evaluated, on a real server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.answering import answer_by_endpoint, read_answers
from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.endpoint import Endpoint
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.subjects.served import Served
from tasks.evaluation.suites.suite import Question
from tasks.evaluation.suites.tiny_gold import TinyGold
from tasks.models.decoding import Decoding

Settings = Callable[..., JudgeSettings]
DECODING = Decoding(temperature=1.0, max_new_tokens=6)


def served(settings: JudgeSettings, seed: int = 0) -> tuple[Served, Endpoint]:
    endpoint = Endpoint(settings, AnswerCache())
    return Served(endpoint, DECODING, seed), endpoint


def test_a_suite_is_answered_once_and_then_from_the_cache(chat_server: int, endpoint_settings: Settings) -> None:
    suite, settings = TinyGold(prompts=4), endpoint_settings(chat_server)
    first = read_answers(answer_by_endpoint(suite, settings, DECODING, 0))
    assert [len(answer.responses) for answer in first.values()] == [1, 1, 1, 1]
    assert any(answer.responses[0] for answer in first.values())
    model, endpoint = served(settings)
    again = model.answer(suite.questions({}))
    assert {answer.prompt_id: answer.responses for answer in again} == {
        name: answer.responses for name, answer in first.items()
    }
    assert (endpoint.costs.requests, endpoint.costs.cached_requests) == (0, 4)


def test_samples_and_seeds_are_requests_of_their_own(chat_server: int, endpoint_settings: Settings) -> None:
    asked = [Question("q", user_prompt("which is better ?"), samples=3)]
    for seed in (0, 1):
        model, endpoint = served(endpoint_settings(chat_server), seed)
        assert len(model.answer(asked)[0].responses) == 3
        assert endpoint.costs.requests == 3


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question("mc", "Q: which?\nA:", candidates=["one", "two"]), "'mc' wants log-probabilities"),
        (Question("raw", "Question: what?\nAnswer:"), "'raw' is raw text .* style to chat"),
    ],
)
def test_what_a_chat_endpoint_cannot_do_is_said_before_it_is_asked(
    question: Question, message: str, endpoint_settings: Settings, tmp_path: Path
) -> None:
    model, endpoint = served(endpoint_settings(1))
    with pytest.raises(UserError, match=message):
        model.answer([Question("fine", user_prompt("hello")), question])
    assert endpoint.costs.requests == 0
