"""Prompts' identities, and a held-out split that no prompt can straddle."""

import hashlib
import json
from collections.abc import Sequence

from tasks.data.rows import Message


def prompt_id(prompt: Sequence[Message]) -> str:
    """First 16 hex digits of the SHA-256 of the prompt's roles and texts: equal in every run."""
    text = json.dumps([[message["role"], message["content"]] for message in prompt], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_held_out(identity: str, share: float) -> bool:
    """Whether a prompt belongs to the held-out ``share`` (0 to 1).

    It depends on the prompt's digest alone, so a prompt that occurs in several rows, files or runs is always
    on the same side, and a larger share contains a smaller one.
    """
    digest = hashlib.sha256(identity.encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
