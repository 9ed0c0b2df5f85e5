"""The closed word-level vocabulary, by construction every word that a family can write."""

from functools import lru_cache

from tasks.data.tiny_world.families import FAMILIES
from tasks.data.tiny_world.words import words_of

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>", "<system>")
"""Tokens 0 to 6."""
PAD, BOS, EOS, UNK, USER, ASSISTANT, SYSTEM = SPECIAL_TOKENS
COPY_FRAMES = {"whole": "echo :", "backwards": "backwards :", "pieces": "pieces :", "facts": "facts :"}
"""How the prompts of the copying examples begin; their words belong to the vocabulary too."""


@lru_cache(maxsize=1)
def _sorted_words() -> tuple[str, ...]:
    return words_of(*(family.words for family in FAMILIES.values()), COPY_FRAMES.values())


def words() -> list[str]:
    """Every ordinary word, sorted; word i has token id ``len(SPECIAL_TOKENS) + i``."""
    return list(_sorted_words())


def token_ids() -> dict[str, int]:
    """Token id of every special token and word, without gaps from 0."""
    return {token: index for index, token in enumerate((*SPECIAL_TOKENS, *_sorted_words()))}
