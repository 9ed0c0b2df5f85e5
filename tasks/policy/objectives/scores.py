"""What a preference objective sees: summed log-probabilities, never a model, a device or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ScoredGroup:
    """Scores of the responses that one row compares, for a batch of rows.

    ``policy``: [batch, group] float32, sum over response tokens (incl. EOS) of log pi(y_t | x, y_<t); carries
    the gradient. Column 0 is the chosen response and column 1 the rejected one; ranked groups run best first.
    ``anchors``: frozen models' scores of the same responses by name (``reference``, ``previous``, ``behaviour``), each
    [batch, group] float32 without gradient. An objective names those it needs in ``anchors_needed``.
    ``lengths``: [batch, group] int64, number of scored tokens.
    ``columns``: per-row extras that came with the data, each [batch, ...]: a soft label, the responses' rewards.
    """

    policy: Tensor
    anchors: Mapping[str, Tensor]
    lengths: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    def log_ratio(self, anchor: str = "reference") -> Tensor:
        """log pi(y|x) - log pi_anchor(y|x), [batch, group]."""
        return self.policy - self.anchors[anchor]
