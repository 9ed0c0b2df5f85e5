"""Where a rollout starts: at the prompt, or inside a reference response (DR-PO, arXiv 2404.08495)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

PrefixSource = Literal["none", "data", "reference_policy"]
"""Who wrote the forced tokens: nobody, the demonstrator, or pi_SFT."""
Share = Annotated[
    float,
    Field(ge=0.0, le=1.0, description="Share of rollouts that start inside a reference (beta; paper 1.0; 0: PPO)"),
]
IncludePrompt = Annotated[
    bool,
    Field(description="Let a reset land on the prompt too, so that the first token is trained even at share 1"),
]


class FromPrompt(Frozen):
    """Every rollout starts at the prompt: plain PPO."""

    kind: Literal["prompt"] = "prompt"
    prefix_source: ClassVar[PrefixSource] = "none"

    def prefix_lengths(self, reference_lengths: Sequence[int], rng: np.random.Generator) -> list[int]:
        """A zero for every row; ``rng`` is left as it is."""
        return [0] * len(reference_lengths)


class DatasetReset(Frozen):
    """Rollouts continue a random prefix of the data's own response: DR-PO.

    The paper's Algorithm 1 draws the reset among the states of a response including the first (the prompt); the
    official code draws at least one token, which is the default here, since the paper's numbers come from it.
    """

    kind: Literal["dataset_reset"] = "dataset_reset"
    prefix_source: ClassVar[PrefixSource] = "data"

    share: Share = 1.0
    include_prompt: IncludePrompt = False

    def prefix_lengths(self, reference_lengths: Sequence[int], rng: np.random.Generator) -> list[int]:
        """Forced tokens of every row, as ``reset_lengths`` draws them."""
        return reset_lengths(reference_lengths, self.share, self.include_prompt, rng)


class PolicyRollIn(Frozen):
    """Rollouts continue a random prefix of a response that pi_SFT sampled: PPO++ of DR-PO's official code."""

    kind: Literal["policy_roll_in"] = "policy_roll_in"
    prefix_source: ClassVar[PrefixSource] = "reference_policy"

    share: Share = 1.0
    top_p: float = Field(0.92, ge=0.01, le=1.0, description="Nucleus from which pi_SFT samples the roll-in (code 0.92)")
    include_prompt: IncludePrompt = False

    def prefix_lengths(self, reference_lengths: Sequence[int], rng: np.random.Generator) -> list[int]:
        """Forced tokens of every row, as ``reset_lengths`` draws them; the references are pi_SFT's samples."""
        return reset_lengths(reference_lengths, self.share, self.include_prompt, rng)


StartStates = Annotated[FromPrompt | DatasetReset | PolicyRollIn, Field(discriminator="kind")]


def reset_lengths(
    reference_lengths: Sequence[int], share: float, include_prompt: bool, rng: np.random.Generator
) -> list[int]:
    """How many reference tokens each rollout is given, in [0, L - 1] (DR-PO, Appendix D.2).

    ``reference_lengths`` [rows] counts the tokens L of every reference, EOS included. With probability ``share`` the
    length is uniform on {1, ..., L - 1} (with ``include_prompt`` on {0, ..., L - 1}), otherwise 0; a reference of
    fewer than two tokens is never used. What is drawn for a row does not depend on ``share``: the resets at a smaller
    share are among those at a larger one, and a share of 0 draws nothing from ``rng``.
    """
    import numpy as np

    if share == 0.0:
        return [0] * len(reference_lengths)
    lengths = np.asarray(reference_lengths, dtype=np.int64)
    lowest = 0 if include_prompt else 1
    reset = (rng.random(len(lengths)) < share) & (lengths >= 2)
    prefixes = rng.integers(lowest, np.maximum(lengths, lowest + 1))
    return [int(prefix) for prefix in np.where(reset, prefixes, 0)]
