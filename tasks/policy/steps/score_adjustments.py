"""What is done to a reward function's scores before they are shaped; each leaves its arguments alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor


class OwnScore(Frozen):
    """A response that never ended keeps the score that the reward function gives it."""

    kind: Literal["own_score"] = "own_score"

    def apply(self, scores: Tensor, finished: Tensor) -> Tensor:
        """``scores`` [rows] as they are."""
        return scores


class MissingEos(Frozen):
    """A response that never ended gets a fixed score in place of its own (DR-PO, arXiv 2404.08495, official code)."""

    kind: Literal["fixed_score"] = "fixed_score"
    score: float = Field(-1.0, ge=-1e6, le=1e6, description="Score of a response without EOS (DR-PO -1)")

    def apply(self, scores: Tensor, finished: Tensor) -> Tensor:
        """``scores`` [rows] where ``finished`` [rows] bool, else the fixed score."""
        return scores.where(finished, scores.new_tensor(self.score))


Unfinished = Annotated[OwnScore | MissingEos, Field(discriminator="kind")]


class LengthPenalty(Frozen):
    """A linear penalty of every token beyond a free length.

    Official code of PAR (arXiv 2502.18770), on by default there for all arms but ODIN and not in the paper's text;
    applied before shaping, and to the reference rewards too.
    """

    coefficient: float = Field(0.01, ge=0.0, le=100.0, description="Penalty of a token beyond the free ones (0: none)")
    free_tokens: int = Field(300, ge=0, le=1_000_000, description="Response tokens without a penalty (PAR 300)")

    def apply(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """r - coefficient max(length - free_tokens, 0); ``lengths`` counts tokens and has the shape of ``scores``."""
        return scores - self.coefficient * (lengths - self.free_tokens).clamp(min=0)


class ScoreClip(Frozen):
    """Scores held within a fixed range around 0."""

    limit: float = Field(
        10.0, ge=1e-6, le=1e6, description="Largest absolute score (rm_ensembles 10, PF-PPO 10, MA-RLHF 2.5)"
    )

    def apply(self, scores: Tensor) -> Tensor:
        """clip(r, -limit, limit)."""
        return scores.clamp(-self.limit, self.limit)
