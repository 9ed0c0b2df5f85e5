"""Arena-Hard's files: its questions and the baselines' answers, in the three forms in which they are published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.engine.schema import UserError
from tasks.evaluation.subjects.outputs import dig
from tasks.evaluation.suites.arena_hard_templates import Version
from tasks.evaluation.suites.fields import read_rows, require_distinct, text_field
from tasks.evaluation.suites.locating import PublicFile

REPOSITORY = "lmarena-ai/arena-hard-auto"
ORIGIN = "github.com/lmarena/arena-hard-auto, data"
CREATIVE = "creative_writing"
BASELINES: Mapping[str, str] = {
    "arena-hard-v0.1": "gpt-4-0314",
    "hard_prompt": "o3-mini-2025-01-31",
    "coding": "o3-mini-2025-01-31",
    "math": "o3-mini-2025-01-31",
    CREATIVE: "gemini-2.0-flash-001",
}
"""The model that each category is compared with (lmarena ``utils/judge_utils.py``)."""
ANSWER_PATHS = ("answer", "messages.-1.content.answer", "messages.-1.content", "choices.0.turns.0.content",
                "choices.0.turns.0", "output")  # fmt: skip


@dataclass(frozen=True)
class ArenaQuestion:
    """One prompt of the benchmark."""

    uid: str
    category: str
    prompt: str


def questions_file(version: Version) -> PublicFile:
    """The questions of a version."""
    folder = f"arena-hard-{version}"
    names = (f"question_{version}.jsonl", f"{folder}/question.jsonl", f"data/{folder}/question.jsonl", "question.jsonl")
    return PublicFile(names, REPOSITORY, f"data/{folder}/question.jsonl", ORIGIN)


def answers_file(version: Version, model: str) -> PublicFile:
    """The published answers of ``model``."""
    folder = f"arena-hard-{version}"
    names = (f"model_answer/{model}.jsonl", f"{folder}/model_answer/{model}.jsonl",
             f"data/{folder}/model_answer/{model}.jsonl", f"{model}.jsonl")  # fmt: skip
    return PublicFile(names, REPOSITORY, f"data/{folder}/model_answer/{model}.jsonl", ORIGIN)


def read_questions(suite: str, path: Path) -> list[ArenaQuestion]:
    """Every question. Raises UserError naming file, row and column at the first that is none."""
    rows = read_rows(suite, path, ("uid", "category", "prompt"))
    require_distinct(suite, path, rows, "uid")
    return [
        ArenaQuestion(str(row["uid"]), str(row["category"]), text_field(suite, path, number, row, "prompt"))
        for number, row in enumerate(rows, start=1)
    ]


def read_baseline(suite: str, path: Path, questions: Sequence[ArenaQuestion]) -> dict[str, str]:
    """The baseline's answer to each question, by uid. Raises UserError naming the file and the first that is missing.

    A row names its question ``uid`` or ``question_id`` and holds the answer in ``answer``, in the last message or in
    the first turn.
    """
    found: dict[str, str] = {}
    for row in read_rows(suite, path, ()):
        texts = [value for column in ANSWER_PATHS if isinstance(value := dig(row, column), str)]
        if texts:
            found[str(row.get("uid", row.get("question_id")))] = texts[0]
    missing = [question.uid for question in questions if question.uid not in found]
    if missing:
        raise UserError(
            f"{suite}: {path} lacks the baseline's answer to {len(missing)} of {len(questions)} questions, first "
            f"'{missing[0]}'; wanted are rows with uid (or question_id) and {' or '.join(ANSWER_PATHS)}"
        )
    return found
