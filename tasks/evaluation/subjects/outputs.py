"""A file of outputs: which of its rows answers which question."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.data.records import Record, read_records
from tasks.engine.schema import Frozen, UserError
from tasks.evaluation.suites.suite import Answer, Question

RESPONSES = ("output", "output_2", "response", "responses", "answer", "completion", "completions", "generation",
             "choices.0.turns", "messages.-1.content", "text")  # fmt: skip
NAMES = ("prompt_id", "uid", "question_id", "task_id", "id", "instruction", "prompt", "question", "index")
LENGTH = "token_len"
"""Column of a response's tokens, as Arena-Hard's answer files have it."""
ANNOTATED = ("preference", "output_1", "output_2")


class OutputsFile(Frozen):
    """A file of outputs as a stage's input: its content by digest, and how its columns are called."""

    path: str
    digest: str
    response_column: str = ""
    id_column: str = ""


def read_outputs(outputs: OutputsFile) -> list[Record]:
    """Its rows. Raises UserError if there are none, or they cannot be read."""
    rows = read_records(Path(outputs.path))
    if not rows:
        raise UserError(f"{outputs.path}: holds no rows; give one object a question")
    return rows


def is_annotated(rows: Sequence[Record]) -> bool:
    """Whether the rows hold a judge's verdicts beside the outputs (AlpacaEval's ``annotations.json``)."""
    return all(name in rows[0] for name in ANNOTATED)


def answers_in(outputs: OutputsFile, questions: Sequence[Question]) -> list[Answer]:
    """The answers that the file has, in the order of the questions; several rows of one question are its samples.

    A row is found by the question's id, then by its aliases and by the text of its last user turn. Questions without a
    row are left out: what that means is for the suite to say.

    Raises:
        UserError: a column is missing, a response is no text, the questions want scores, or nothing matches.
    """
    rows = read_outputs(outputs)
    wants_scores = [question for question in questions if question.candidates]
    if wants_scores:
        raise UserError(
            f"{outputs.path}: question '{wants_scores[0].prompt_id}' wants log-probabilities, which a file of outputs "
            "does not have; evaluate the model itself, or leave the suite out"
        )
    name_column, column = named_column(rows, outputs), response_column(rows, outputs)
    found = responses_by_name(rows, outputs, name_column, column)
    answers = [
        Answer(question.prompt_id, responses=[one.text for one in said], tokens=lengths_of(said))
        for question in questions
        if (said := first_match(question, found))
    ]
    for question, answer in zip([one for one in questions if first_match(one, found)], answers, strict=True):
        require_samples(outputs, question, answer)
    if questions and not answers:
        raise UserError(
            f"{outputs.path}: none of its {len(rows)} rows answers a question of the suite (column '{name_column}', "
            f"first row: {str(dig(rows[0], name_column))[:60]!r}; first question: '{questions[0].prompt_id}'); set "
            "subject.id_column, or give the suite's own outputs"
        )
    return answers


def require_samples(outputs: OutputsFile, question: Question, answer: Answer) -> None:
    """Raises UserError if one response is wanted and the file has several that differ: which one would count?"""
    if question.samples == 1 and len(set(answer.responses)) > 1:
        raise UserError(
            f"{outputs.path}: {len(answer.responses)} rows answer question '{question.prompt_id}' and differ; keep one "
            "row a question, or set the suite's samples"
        )


class Response(NamedTuple):
    """A response and its length in tokens, -1 where the file does not tell."""

    text: str
    tokens: int


def responses_by_name(
    rows: Sequence[Record], outputs: OutputsFile, name: str, column: str
) -> dict[str, list[Response]]:
    """Responses by what names their question; a list of turns answers ``name/1``, ``name/2`` ..."""
    found: dict[str, list[Response]] = {}
    for number, row in enumerate(rows, start=1):
        value, key = dig(row, column), str(dig(row, name)).strip()
        length = row[LENGTH] if isinstance(row.get(LENGTH), int) else -1
        if isinstance(value, str):
            found.setdefault(key, []).append(Response(value, length))
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            for place, item in enumerate(value, start=1):
                found.setdefault(f"{key}/{place}" if column.endswith("turns") else key, []).append(Response(item, -1))
        else:
            raise UserError(
                f"{outputs.path}: row {number} has {type(value).__name__} in column '{column}'; wanted is the response "
                "as text (or set subject.response_column)"
            )
    return found


def lengths_of(responses: Sequence[Response]) -> list[int]:
    """Their lengths in tokens; none if one is not known."""
    return [one.tokens for one in responses] if all(one.tokens >= 0 for one in responses) else []


def first_match(question: Question, found: Mapping[str, list[Response]]) -> list[Response]:
    """Responses under the first of the question's names that the file knows."""
    said = question.prompt if isinstance(question.prompt, str) else question.prompt[-1]["content"]
    for name in (question.prompt_id, *question.aliases, said):
        if responses := found.get(name.strip()):
            return responses
    return []


def response_column(rows: Sequence[Record], outputs: OutputsFile) -> str:
    """The column with the response."""
    return _column(rows, outputs, outputs.response_column, RESPONSES, "response_column")


def named_column(rows: Sequence[Record], outputs: OutputsFile) -> str:
    """The column that names the question."""
    return _column(rows, outputs, outputs.id_column, NAMES, "id_column")


def dig(row: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path (numbers lead into lists), or None."""
    value: Any = row
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.lstrip("-").isdigit() and -len(value) <= int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _column(rows: Sequence[Record], outputs: OutputsFile, wanted: str, usual: Sequence[str], setting: str) -> str:
    candidates = [wanted] if wanted else list(usual)
    for column in candidates:
        if dig(rows[0], column) is not None:
            return column
    raise UserError(
        f"{outputs.path}: its first row has no {' or '.join(candidates)}; it has {', '.join(rows[0])}; set "
        f"subject.{setting}"
    )
