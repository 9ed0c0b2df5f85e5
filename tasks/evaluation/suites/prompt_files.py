"""Files of prompts or texts that are no benchmark of their own, in any of the usual shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.data.records import Record
from tasks.data.rows import Message, user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.suites.fields import first_column, read_rows, text_field
from tasks.evaluation.suites.locating import PublicFile, locate

PROMPT_COLUMNS = ("prompt", "instruction", "question", "goal", "text")


@dataclass(frozen=True)
class AskedPrompt:
    """A row that holds a prompt."""

    prompt: list[Message]
    fields: Record
    """The whole row."""

    @property
    def text(self) -> str:
        """What the last turn says."""
        return self.prompt[-1]["content"]


def locate_any(suite: str, data: str, wanted: PublicFile) -> Path:
    """The file at ``data`` whatever its name, else as ``locate`` finds it."""
    path = Path(data).expanduser()
    return path if data and path.is_file() else locate(suite, data, wanted)


def read_prompts(suite: str, path: Path, limit: int) -> list[AskedPrompt]:
    """The file's first ``limit`` prompts (0: all), from its first column of ``PROMPT_COLUMNS``.

    A prompt is a text, or a conversation that ends in a user turn. Raises UserError naming the first row that has
    neither.
    """
    rows = read_rows(suite, path, ())
    column = first_column(suite, path, rows, PROMPT_COLUMNS)
    return [
        AskedPrompt(conversation(suite, path, number, row, column), row)
        for number, row in enumerate(rows[: limit or None], start=1)
    ]


def conversation(suite: str, path: Path, number: int, row: Record, column: str) -> list[Message]:
    """The prompt in row ``number`` (from 1)."""
    value = row.get(column)
    if not isinstance(value, list):
        return user_prompt(text_field(suite, path, number, row, column))
    turns = [turn for turn in value if isinstance(turn, Mapping) and {"role", "content"} <= set(turn)]
    if not turns or len(turns) < len(value) or turns[-1]["role"] != "user":
        raise UserError(
            f"{suite}: {path} row {number}: '{column}' is no conversation of {{role, content}} that ends in a user turn"
        )
    return [Message(role=str(turn["role"]), content=str(turn["content"])) for turn in turns]


def read_texts(suite: str, path: Path, limit: int) -> list[str]:
    """The file's first ``limit`` texts (0: all): its ``text`` column, or the lines of a ``.txt``; blank ones left out.

    Raises UserError if there is no text.
    """
    if path.suffix == ".txt":
        found = path.read_text(encoding="utf-8").splitlines()
    else:
        found = [str(row["text"]) for row in read_rows(suite, path, ("text",))]
    texts = [text for text in found if text.strip()]
    if not texts:
        raise UserError(f"{suite}: {path} holds no text")
    return texts[: limit or None]
