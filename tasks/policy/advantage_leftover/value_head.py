"""The value of a prompt: learned attention over a frozen policy's hidden states, and a sigmoid."""

import torch
from torch import Tensor, nn

from tasks.engine.schema import UserError


class AttentionValueHead(nn.Module):
    """V(x) = max_value sigma(w . Attention(q, h(x)) + b) with a learned query q (A-LoL's code, ``ValueHeadAttention``).

    Unlike there, padding is masked out of the attention, and advantages are computed with dropout off.
    """

    def __init__(self, hidden_size: int, heads: int, dropout: float, seed: int, max_value: float = 1.0) -> None:
        """Weights are drawn from ``seed`` alone. Raises UserError if ``heads`` do not divide ``hidden_size``."""
        super().__init__()
        if hidden_size % heads:
            raise UserError(f"value.heads {heads} do not divide the policy's width {hidden_size}; choose a divisor")
        self.max_value = max_value
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.query = nn.Parameter(torch.randn(1, 1, hidden_size) / hidden_size**0.5)
            self.attention = nn.MultiheadAttention(hidden_size, heads, dropout=dropout, batch_first=True)
            self.dropout = nn.Dropout(dropout)
            self.linear = nn.Linear(hidden_size, 1)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Values [prompts] in (0, max_value) of ``hidden`` [prompts, time, hidden] float32, where ``mask`` is true.

        ``mask``: [prompts, time] bool, at least one true a row.
        """
        query = self.query.expand(len(hidden), -1, -1)
        read, _ = self.attention(query, hidden, hidden, key_padding_mask=~mask, need_weights=False)
        logits = self.linear(self.dropout(read.squeeze(1))).squeeze(-1)
        return self.max_value * logits.sigmoid()
