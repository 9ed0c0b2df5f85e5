"""DeepSpeed-Chat's pair loss, averaged over tokens; MA-RLHF (arXiv 2410.02743) fits its reward models by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from tasks.engine.schema import Frozen
from tasks.reward.objectives.metrics import pair_metrics

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.reward.objectives.pairs import ScoredPairs


class TokenBradleyTerry(Frozen):
    """Mean over tokens, from the first that differs to the longer response's last, of -log sigma(r_w[t] - r_l[t]).

    The reward is the score after the last token (or the mean, if the model pools so). Past the end of the shorter
    response its last score stands in; the official code takes scores of padding tokens there, which are what the
    padding token happens to give.
    """

    heads: ClassVar[tuple[str, ...]] = ("reward",)
    higher_is_better: ClassVar[bool] = True
    every_token: ClassVar[bool] = True

    kind: Literal["token_bradley_terry"] = "token_bradley_terry"

    def loss(self, pairs: ScoredPairs) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over pairs of the mean over tokens; reads ``pairs.tokens`` [pairs, 2, time, 1]."""
        import torch
        from torch.nn.functional import logsigmoid

        if pairs.tokens is None or pairs.first_difference is None:
            raise ValueError("this objective reads scores after every token")
        scores = pairs.tokens.squeeze(-1)
        time = torch.arange(scores.shape[-1], device=scores.device)
        held = torch.minimum(time[None, None, :], pairs.lengths[..., None] - 1)
        chosen, rejected = scores.gather(-1, held).unbind(dim=1)
        last = pairs.lengths.amax(1, keepdim=True)
        first = torch.minimum(pairs.first_difference[:, None], last - 1)
        counted = (time >= first) & (time < last)
        losses = (-logsigmoid(chosen - rejected)).where(counted, 0.0).sum(1) / counted.sum(1)
        return losses.mean(), pair_metrics(pairs.scores.squeeze(-1))
