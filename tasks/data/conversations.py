"""Reading prompts, answers and chat messages out of one row's fields."""

from collections.abc import Mapping
from typing import Any

from tasks.data.byte_pair import RESERVED
from tasks.data.quality import RowProblem
from tasks.data.rows import Message, user_prompt

Fields = Mapping[str, Any]
ROLES = ("system", "user", "assistant")


def required(fields: Fields, column: str) -> Any:
    """The value of ``column``; RowProblem where it is absent or null."""
    value = fields.get(column)
    if value is None:
        raise RowProblem(f"missing field '{column}'")
    return value


def as_text(value: object, name: str) -> str:
    """``value`` if it is a string that every tokenizer can encode; RowProblem otherwise."""
    if not isinstance(value, str):
        raise RowProblem(f"'{name}' is not text", type(value).__name__)
    if not value.isascii():
        check_characters(value, name)
    return value


def check_characters(text: str, name: str) -> None:
    """Refuse lone surrogates (JSON can hold them, UTF-8 cannot) and the mark of special tokens."""
    if RESERVED in text:
        raise RowProblem("reserved character", f"U+FDD0 in '{name}'")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowProblem("not valid Unicode", f"lone surrogate in '{name}'") from error


def as_messages(value: object, name: str) -> list[Message]:
    """Chat messages with role and content; anything else about a message is dropped."""
    if not isinstance(value, list) or not value:
        raise RowProblem(f"'{name}' is neither text nor messages", type(value).__name__)
    return [as_message(item, name) for item in value]


def as_message(item: object, name: str) -> Message:
    """One message of column ``name``."""
    if not isinstance(item, dict) or not {"role", "content"} <= item.keys():
        raise RowProblem("message without role and content", f"in '{name}'")
    if item["role"] not in ROLES:
        raise RowProblem("unknown role", f"{item['role']!r} in '{name}'; known: {', '.join(ROLES)}")
    return Message(role=item["role"], content=as_text(item["content"], name))


def as_prompt(value: object, name: str) -> list[Message]:
    """A prompt given as a string (one user turn) or as messages."""
    return user_prompt(as_text(value, name)) if isinstance(value, str) else as_messages(value, name)


def split_last_answer(value: object, name: str) -> tuple[list[Message], str]:
    """The turns before the last one, and the last one's text; RowProblem unless an assistant has it."""
    messages = as_messages(value, name)
    if messages[-1]["role"] != "assistant":
        raise RowProblem("no assistant turn at the end", f"'{name}' ends with {messages[-1]['role']}")
    return messages[:-1], messages[-1]["content"]


def check_prompt(prompt: list[Message]) -> None:
    """RowProblem unless the prompt ends with a user turn that says something."""
    if not prompt or prompt[-1]["role"] != "user":
        raise RowProblem("prompt does not end with a user turn")
    if not prompt[-1]["content"].strip():
        raise RowProblem("empty prompt")
