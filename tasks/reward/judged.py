"""What a reward function is given."""

from typing import NamedTuple

from tasks.data.rows import PromptRow


class Judged(NamedTuple):
    """One response to be rewarded."""

    prompt: PromptRow
    response: str
    """Its text without special tokens."""
    finished: bool
    """Whether it ended by itself; EOS is then part of what is scored."""
