"""A world small enough to learn from scratch on a laptop's processor, with a known true reward.

Five families of prompts, each with a demonstrator of mixed quality, a best answer and a gold reward, over one
closed vocabulary: summaries (``tldr``), helpfulness against harm (``hh``), word problems (``gsm``), one-line
programs (``code``) and styled instructions (``instruct``).
"""

from tasks.data.tiny_world.families import FAMILIES
from tasks.data.tiny_world.family import Family, Gold
from tasks.data.tiny_world.sampling import (
    Split,
    demonstrations,
    prompt_row,
    prompt_text,
    sample_prompts,
    score,
    split_of,
)

__all__ = [
    "FAMILIES",
    "Family",
    "Gold",
    "Split",
    "demonstrations",
    "prompt_row",
    "prompt_text",
    "sample_prompts",
    "score",
    "split_of",
]
