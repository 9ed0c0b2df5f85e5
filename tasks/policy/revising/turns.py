"""Conversations that put a draft to the model."""

from collections.abc import Sequence

from tasks.data.rows import Message
from tasks.policy.revising.settings import RevisionFormat


def revision_prompt(prompt: Sequence[Message], draft: str, revision: RevisionFormat) -> list[Message]:
    """``prompt``, then ``draft`` as the answer that the model gave, then the wish for another one."""
    return [
        *prompt,
        Message(role="assistant", content=draft),
        Message(role="user", content=revision.instruction),
    ]
