"""When a macro action ends: the rules of MA-RLHF (arXiv 2410.02743), and the two extremes between which they lie.

Every rule is a frozen settings model with one method, ``segment``: what the released code does otherwise is its option
``released_code``. There the last token is always an action of its own, because token rewards are averaged (see
``MacroPooling``) and the score must not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.steps.constituents import action_starts, words_of_tokens
from tasks.policy.steps.parsers import Parser, TinyWorldGrammar
from tasks.policy.steps.segments import last_token_alone, response_lengths, segments_from_starts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class TokenActions(Frozen):
    """Every token is an action: ordinary PPO."""

    kind: Literal["token"] = "token"

    def segment(
        self, token_texts: Sequence[Sequence[str]], mask: Tensor, reference_log_probs: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """Macro action of every token, [rows, time] int64, from 0; -1 outside ``mask`` [rows, time] bool.

        ``token_texts``: tokens of every response as its vocabulary spells them. ``reference_log_probs``: [rows, time],
        nats. Rules read of these what they need, and inside the mask only.
        """
        return (mask.long().cumsum(-1) - 1).where(mask, -1)


class WholeResponse(Frozen):
    """The response is one action: a bandit, as in REINFORCE and RLOO."""

    kind: Literal["whole_response"] = "whole_response"

    def segment(
        self, token_texts: Sequence[Sequence[str]], mask: Tensor, reference_log_probs: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """0 for every token; as ``TokenActions.segment``."""
        return mask.long() - 1


class FixedNGram(Frozen):
    """An action ends after a fixed number of tokens."""

    kind: Literal["fixed_ngram"] = "fixed_ngram"
    length: int = Field(5, ge=1, le=65_536, description="Tokens of an action (n; TL;DR and HH 5, APPS 10)")
    released_code: bool = Field(
        False, description="As the released code: the last token alone, and an empty action before it where length "
        "divides the tokens before it"
    )  # fmt: skip

    def segment(
        self, token_texts: Sequence[Sequence[str]], mask: Tensor, reference_log_probs: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """As ``TokenActions.segment``."""
        lengths = response_lengths(mask)
        starts = [list(range(0, max(1, length), self.length)) for length in lengths]
        return _numbered(starts, lengths, mask, self.released_code)


class RandomNGram(Frozen):
    """Lengths from a shuffled list in which each stands several times; what is left is one long action."""

    kind: Literal["random_ngram"] = "random_ngram"
    lengths: tuple[int, ...] = Field(
        (2, 3, 5, 10), min_length=1, max_length=64, description="Lengths to draw from (released code: 1 too)"
    )
    repeats: int = Field(3, ge=1, le=1024, description="How often each length stands in the list (ours)")
    released_code: bool = Field(False, description="As the released code: the last token alone")

    def segment(
        self, token_texts: Sequence[Sequence[str]], mask: Tensor, reference_log_probs: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """As ``TokenActions.segment``; every response shuffles the list anew."""
        lengths = response_lengths(mask)
        starts = []
        for length in lengths:
            ends = rng.permutation(list(self.lengths) * self.repeats).cumsum().tolist()
            starts.append([0, *(end for end in ends if end < length)])
        return _numbered(starts, lengths, mask, self.released_code)


class PerplexityRule(Frozen):
    """An action starts where the reference model's perplexity of a token is above that of the token before."""

    kind: Literal["perplexity"] = "perplexity"
    released_code: bool = Field(
        False, description="As the released code: actions start one token earlier, at the token before the rise, and "
        "the last token is alone"
    )  # fmt: skip

    def segment(
        self, token_texts: Sequence[Sequence[str]], mask: Tensor, reference_log_probs: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """As ``TokenActions.segment``. Perplexity of a token is exp(-log pi_ref): it rises where that falls."""
        lengths = response_lengths(mask)
        starts = []
        for values, length in zip(reference_log_probs.tolist(), lengths, strict=True):
            rises = [token for token in range(1, length) if values[token] < values[token - 1]]
            earlier = [token - 1 for token in rises] if self.released_code else rises
            starts.append(sorted({0, *earlier}))
        return _numbered(starts, lengths, mask, self.released_code)


class ParseRule(Frozen):
    """Actions are constituents of a few tokens, see ``constituents.action_starts``."""

    kind: Literal["parse"] = "parse"
    cutoff: int = Field(5, ge=2, le=65_536, description="A constituent of fewer tokens is one action (C)")
    parser: Parser = Field(TinyWorldGrammar(), description="Who parses")
    released_code: bool = Field(False, description="As the released code: the last token alone")

    def segment(
        self, token_texts: Sequence[Sequence[str]], mask: Tensor, reference_log_probs: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """As ``TokenActions.segment``. A response whose parse has other words than it has falls back to its tokens.

        Raises UserError if the parser cannot be reached; the message says what it needs.
        """
        lengths = response_lengths(mask)
        starts = [self._starts(tokens[:length]) for tokens, length in zip(token_texts, lengths, strict=True)]
        if self.released_code:
            ends = [max(0, length - 1) for length in lengths]
            starts = [sorted({*row, end}) for row, end in zip(starts, ends, strict=True)]
        return segments_from_starts(starts, mask)

    def _starts(self, tokens: Sequence[str]) -> list[int]:
        words, widths = words_of_tokens(tokens)
        trees = self.parser.trees(words)
        if sum(len(tree.leaves()) for tree in trees) != len(words):
            return list(range(max(1, len(tokens))))
        return action_starts(trees, widths, self.cutoff)


MacroActions = Annotated[
    TokenActions | WholeResponse | FixedNGram | RandomNGram | PerplexityRule | ParseRule, Field(discriminator="kind")
]


def _numbered(starts: Sequence[list[int]], lengths: Sequence[int], mask: Tensor, released_code: bool) -> Tensor:
    if released_code:
        starts = [last_token_alone(row, length) for row, length in zip(starts, lengths, strict=True)]
    return segments_from_starts(starts, mask)
