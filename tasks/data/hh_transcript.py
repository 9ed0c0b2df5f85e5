"""HH-RLHF transcripts: dialogues in one string, ``Human: ...`` and ``Assistant: ...`` (arXiv 2204.05862)."""

import re

from tasks.data.quality import RowProblem
from tasks.data.rows import Message

TURN = re.compile(r"\n\n(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def looks_like_transcript(value: object) -> bool:
    """A string that begins with a human turn and has an assistant turn."""
    return isinstance(value, str) and value.lstrip().startswith("Human:") and "\n\nAssistant:" in value


def split_transcript(text: str) -> tuple[list[Message], str]:
    """Split a dialogue at its last assistant turn.

    Returns:
        The turns before it, alternating user and assistant (neighbours of one role are joined by a blank
        line), and the last assistant turn's text. White space around a turn's text is dropped.

    Raises:
        RowProblem: ``text`` is no dialogue, or does not end with an assistant turn.
    """
    before, *turns = TURN.split("\n\n" + text.lstrip())
    if before or not turns:
        raise RowProblem("not a transcript", "expected Human: ... Assistant: ...")
    messages = [
        Message(role=ROLES[speaker], content=content.strip())
        for speaker, content in zip(turns[::2], turns[1::2], strict=True)
    ]
    if messages[-1]["role"] != "assistant":
        raise RowProblem("no assistant turn at the end")
    return join_neighbours(messages[:-1]), messages[-1]["content"]


def join_neighbours(messages: list[Message]) -> list[Message]:
    """Join turns that one role takes in a row: many chat templates refuse them."""
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            content = f"{joined[-1]['content']}\n\n{message['content']}".strip()
            joined[-1] = Message(role=message["role"], content=content)
        else:
            joined.append(message)
    return joined
