"""The loss of a pairwise judge, a reconstruction of Pairwise-RL's (arXiv 2504.04950)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen

if TYPE_CHECKING:
    from torch import Tensor


class PairwiseJudge(Frozen):
    """Cross-entropy of the verdict on (w, l) and on (l, w): P(first beats second) = sigma(z).

    L = -1/2 [log sigma(z(w, l)) + log sigma(-z(l, w))] + c (sigma(z(w, l)) + sigma(z(l, w)) - 1)^2, mean over pairs.
    The paper's own formula was not at hand. z is one number read from the concatenation; where two verdict words are
    given, its head starts as the difference of their rows in the language model's output layer, so that z = l_A - l_B
    is the log odds of the generative verdict between these two words (full-vocabulary cross-entropy would normalise
    over all words).
    """

    kind: Literal["pairwise"] = "pairwise"
    both_orders: bool = Field(True, description="Read every pair in both orders; off: in one, drawn at random")
    consistency: float = Field(0.0, ge=0.0, le=10.0, description="c: weight of the two orders' contradiction")
    first_word: str = Field("", max_length=100, description="Verdict word for the first response; empty: a fresh head")
    second_word: str = Field("", max_length=100, description="Verdict word for the second response")

    @model_validator(mode="after")
    def _words_come_in_twos(self) -> Self:
        if bool(self.first_word) != bool(self.second_word):
            raise ValueError("first_word and second_word are given together or not at all")
        return self

    def loss(self, logits: Tensor, turned: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss above and detached metrics.

        ``logits`` [pairs, 2] are z(w, l) and z(l, w); ``turned`` [pairs] bool says which pairs are read as (l, w) where
        ``both_orders`` is off.
        """
        import torch
        from torch.nn.functional import logsigmoid

        signed = logits * logits.new_tensor([1.0, -1.0])
        weights = torch.full_like(signed, 0.5)
        if not self.both_orders:
            weights = torch.stack([~turned, turned], dim=1).to(signed.dtype)
        contradiction = (logits.sigmoid().sum(1) - 1.0).square()
        loss = (-weights * logsigmoid(signed)).sum(1).mean() + self.consistency * contradiction.mean()
        right = (signed.detach() > 0).to(signed.dtype).mean()
        return loss, {"scores/accuracy": right, "inconsistency": contradiction.detach().mean()}


def win_probability(forward: Tensor, backward: Tensor) -> Tensor:
    """P(a beats b), symmetrised: 1/2 [sigma(z(a, b)) + 1 - sigma(z(b, a))]; any shape, in (0, 1)."""
    return 0.5 * (forward.sigmoid() + 1.0 - backward.sigmoid())
