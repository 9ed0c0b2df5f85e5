"""Every shape of row becomes a prompt with its answers, best first."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from tasks.data.conversations import Fields, as_messages, as_prompt, as_text, required, split_last_answer
from tasks.data.hh_transcript import split_transcript
from tasks.data.quality import RowProblem
from tasks.data.rows import Message
from tasks.data.source import DataSource, Pairing, Shape


@dataclass(frozen=True)
class Ranking:
    """A prompt and its answers, best first; ``scores`` fall with rank (ratings, or minus the place)."""

    prompt: list[Message]
    answers: list[str]
    scores: list[float]


def answer_in_context(fields: Fields, column: str, source: DataSource) -> tuple[list[Message], str]:
    """Prompt and answer of a column in any of TRL's formats.

    The column is a string, messages that continue the prompt column (explicit prompt), or a whole
    conversation (implicit prompt), which then needs no prompt column.
    """
    value = required(fields, column)
    if isinstance(value, str):
        return as_prompt(required(fields, source.prompt_column), source.prompt_column), as_text(value, column)
    before, answer = split_last_answer(value, column)
    if before and before[0]["role"] != "assistant":
        return before, answer
    return as_prompt(required(fields, source.prompt_column), source.prompt_column) + before, answer


def read_pair(fields: Fields, source: DataSource) -> Ranking:
    """Chosen and rejected, as text or messages."""
    prompt, chosen = answer_in_context(fields, source.chosen_column, source)
    rejected_prompt, rejected = answer_in_context(fields, source.rejected_column, source)
    return pair_ranking(prompt, chosen, rejected_prompt, rejected)


def read_transcripts(fields: Fields, source: DataSource) -> Ranking:
    """Chosen and rejected HH-RLHF transcripts that share every turn but the last."""
    sides = [as_text(required(fields, name), name) for name in (source.chosen_column, source.rejected_column)]
    (prompt, chosen), (rejected_prompt, rejected) = (split_transcript(text) for text in sides)
    return pair_ranking(prompt, chosen, rejected_prompt, rejected)


def pair_ranking(prompt: list[Message], chosen: str, rejected_prompt: list[Message], rejected: str) -> Ranking:
    """Two answers to one prompt; RowProblem where the prompts differ."""
    if prompt != rejected_prompt:
        raise RowProblem("prompts differ", "chosen and rejected answer different conversations")
    return Ranking(prompt, [chosen, rejected], [0.0, -1.0])


def completions_of(fields: Fields, source: DataSource) -> list[object]:
    """The list of answers of a ranked or rated row."""
    completions = required(fields, source.completions_column)
    if not isinstance(completions, list):
        raise RowProblem(f"'{source.completions_column}' is not a list", type(completions).__name__)
    return completions


def completion_text(completion: object, source: DataSource) -> str:
    """The text of an answer that is a string or a record."""
    if isinstance(completion, dict):
        completion = required(completion, source.completion_text_key)
    return as_text(completion, source.completions_column)


def read_ranked(fields: Fields, source: DataSource) -> Ranking:
    """Answers listed best first; scores are minus their place."""
    prompt = as_prompt(required(fields, source.prompt_column), source.prompt_column)
    answers = [completion_text(completion, source) for completion in completions_of(fields, source)]
    return Ranking(prompt, answers, [-float(place) for place in range(len(answers))])


def read_rated(fields: Fields, source: DataSource) -> Ranking:
    """Answers with scores (in each record, or in a parallel column), sorted; ties keep the file's order."""
    prompt = as_prompt(required(fields, source.prompt_column), source.prompt_column)
    completions = completions_of(fields, source)
    scores = [as_score(score) for score in scores_of(completions, fields, source)]
    if len(scores) != len(completions):
        raise RowProblem("scores and completions differ in number", f"{len(scores)} and {len(completions)}")
    answers = [completion_text(completion, source) for completion in completions]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    return Ranking(prompt, [answers[index] for index in order], [scores[index] for index in order])


def scores_of(completions: list[object], fields: Fields, source: DataSource) -> list[object]:
    """One raw score per answer: the parallel column where the row has it, else each record's own."""
    column = fields.get(source.scores_column)
    if isinstance(column, list):
        return column
    key = source.completion_score_key
    return [required(item, key) if isinstance(item, dict) else required({}, key) for item in completions]


def as_score(value: object) -> float:
    """A finite number; RowProblem otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RowProblem("score is not a number", repr(value)[:40])
    return float(value)


def read_demonstration(fields: Fields, source: DataSource) -> Ranking:
    """A conversation whose last turn is the answer, or a prompt with a response."""
    if fields.get(source.messages_column) is not None:
        prompt, answer = split_last_answer(fields[source.messages_column], source.messages_column)
    else:
        prompt, answer = answer_in_context(fields, source.response_column, source)
    return Ranking(prompt, [answer], [0.0])


def read_prompt(fields: Fields, source: DataSource) -> Ranking:
    """A prompt alone, in the prompt column or as messages."""
    if fields.get(source.prompt_column) is None and fields.get(source.messages_column) is not None:
        return Ranking(as_messages(fields[source.messages_column], source.messages_column), [], [])
    return Ranking(as_prompt(required(fields, source.prompt_column), source.prompt_column), [], [])


Reader = Callable[[Fields, DataSource], Ranking]

READERS: dict[Shape, Reader] = {
    "pairs": read_pair,
    "transcripts": read_transcripts,
    "ranked": read_ranked,
    "rated": read_rated,
    "demonstrations": read_demonstration,
    "prompts": read_prompt,
}


def pairs_of(ranking: Ranking, pairing: Pairing) -> list[tuple[str, str]]:
    """(chosen, rejected) texts of a ranking.

    Raises:
        RowProblem: fewer than two answers, an empty one, or none that differ in both score and text.
    """
    if len(ranking.answers) < 2:
        raise RowProblem("fewer than two responses")
    for answer in ranking.answers:
        check_answer(answer)
    last = len(ranking.answers) - 1
    places = [(0, last)] if pairing == "best_worst" else list(combinations(range(last + 1), 2))
    ordered = [(i, j) for i, j in places if ranking.scores[i] > ranking.scores[j]]
    if not ordered:
        raise RowProblem("equal scores")
    texts = [(ranking.answers[i], ranking.answers[j]) for i, j in ordered]
    distinct = [(chosen, rejected) for chosen, rejected in texts if chosen.strip() != rejected.strip()]
    if not distinct:
        raise RowProblem("identical pair")
    return distinct


def best_answer(ranking: Ranking) -> str:
    """The answer to imitate; RowProblem where there is none or it is empty."""
    if not ranking.answers:
        raise RowProblem("no response")
    check_answer(ranking.answers[0])
    return ranking.answers[0]


def check_answer(answer: str) -> None:
    """RowProblem for an answer without a visible character."""
    if not answer.strip():
        raise RowProblem("empty response")
