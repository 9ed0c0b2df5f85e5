"""From a constituency tree over words to macro actions over tokens (MA-RLHF's parsing-based termination)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nltk import Tree

WORD_MARKERS = ("Ġ", "▁", "Ċ", " ", "\n")
"""How tokens of byte-level and SentencePiece vocabularies begin where a word begins."""


def words_of_tokens(tokens: Sequence[str]) -> tuple[list[str], list[int]]:
    """Words that tokens spell, and how many tokens each has.

    Tokens are the vocabulary's own (``convert_ids_to_tokens``). Where none has a word marker, every token is a word, as
    in a word-level vocabulary; punctuation is always a word. Special tokens at the end, such as ``</s>``, are left out.
    """
    end = len(tokens)
    while end and _is_special(tokens[end - 1]):
        end -= 1
    marked = any(token.startswith(WORD_MARKERS) for token in tokens[:end])
    words: list[str] = []
    widths: list[int] = []
    for token in tokens[:end]:
        text = token.lstrip("".join(WORD_MARKERS))
        inside = marked and bool(words) and not token.startswith(WORD_MARKERS)
        if words and (not text or (inside and text[0].isalnum() and words[-1][-1].isalnum())):
            words[-1], widths[-1] = words[-1] + text, widths[-1] + 1
        else:
            words.append(text or "-")
            widths.append(1)
    return words, widths


def action_starts(trees: Sequence[Tree], widths: Sequence[int], cutoff: int) -> list[int]:
    """Tokens at which macro actions start, 0 first: depth first over each sentence's tree.

    A node of fewer than ``cutoff`` tokens is an action of its own; a larger one is what its children are. A node of a
    single word joins the action before it, or opens one at the beginning of a sentence. ``widths``: tokens of every
    word, that is of every leaf of ``trees`` in their order; tokens that follow belong to the last action. Source: rules
    as restated in the released code, ``parsing_selection`` (the paper's C is 5).

    Raises ValueError if the trees have another number of leaves than there are ``widths``.
    """
    if sum(len(tree.leaves()) for tree in trees) != len(widths):
        raise ValueError("trees and tokens have different numbers of words")
    starts: list[int] = [0]
    word = token = 0
    for tree in trees:
        ends: list[int] = []
        count = len(tree.leaves())
        _visit(tree, list(widths[word : word + count]), token, cutoff, ends)
        starts += ends
        word, token = word + count, ends[-1]
    return starts[:-1] if len(starts) > 1 else starts


def _visit(node: Any, widths: list[int], start: int, cutoff: int, ends: list[int]) -> None:
    """Append to ``ends`` where the actions of ``node``, whose first token is ``start``, end."""
    end = start + sum(widths)
    if len(widths) == 1:
        ends[-1:] = [end]
        return
    if end - start < cutoff:
        ends.append(end)
        return
    for child in node:
        count = 1 if isinstance(child, str) else len(child.leaves())
        _visit(child, widths[:count], start, cutoff, ends)
        start, widths = start + sum(widths[:count]), widths[count:]


def _is_special(token: str) -> bool:
    return len(token) > 2 and token.startswith("<") and token.endswith(">")
