"""Log-probabilities of responses, without ever holding logits of prompt tokens or of a whole batch.

The body runs once; hidden states at positions that predict response tokens are gathered; the output head and
a float32 log-softmax run over them in chunks. With gradients, a chunked head is recomputed in the backward
pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tasks.models.packing import EncodedGroup, Packed, pack, require_fit, sharing_pays
from tasks.models.parts import (
    Scorable,
    can_share_prefix,
    causal_lm,
    context_length,
    real_logits,
    real_vocabulary_size,
    run_body,
)

CHUNK_LOGITS = 2**24
"""Most logits held at once by default: 64 MiB of float32."""


@dataclass(frozen=True)
class ResponseLogProbs:
    """log pi(y_t | x, y_<t) of responses, in nats, float32."""

    values: Tensor
    """[responses, longest], zero after the end of a response."""
    lengths: Tensor
    """[responses] int64, scored tokens of each response (EOS among them)."""

    def sums(self) -> Tensor:
        """log pi(y | x), [responses]."""
        return self.values.sum(-1)


def label_log_probs(logits: Tensor, labels: Tensor) -> Tensor:
    """log softmax(logits)[label] in float32: [..., vocabulary] and [...] -> [...]."""
    logits = logits.float()
    return logits.gather(-1, labels[..., None]).squeeze(-1) - logits.logsumexp(-1)


def shifted_log_probs(logits: Tensor, labels: Tensor, ignore: int = -100) -> Tensor:
    """Log-probability of each label under the logits one position earlier; zero at ``ignore``.

    ``logits`` [..., time, vocabulary], ``labels`` [..., time] -> [..., time - 1]. The definition that the
    chunked path is tested against (DPO, arXiv 2305.18290, ``_get_batch_logps`` of the official code).
    """
    targets = labels[..., 1:]
    scored = targets != ignore
    return label_log_probs(logits[..., :-1, :], targets.where(scored, 0)).where(scored, 0.0)


def scored_hidden_states(model: Scorable, packed: Packed) -> Tensor:
    """Hidden states that predict the scored tokens, [scored, hidden] in the model's dtype."""
    hidden = run_body(
        model,
        input_ids=packed.input_ids,
        position_ids=packed.position_ids,
        attention_mask=packed.attention_mask,
    )
    return hidden.flatten(0, 1).index_select(0, packed.predictors)


def head_log_probs(model: Scorable, hidden: Tensor, labels: Tensor, chunk_logits: int = CHUNK_LOGITS) -> Tensor:
    """[scored, hidden] and [scored] -> [scored] float32, at most ``chunk_logits`` logits at a time."""

    def score(hidden: Tensor, labels: Tensor) -> Tensor:
        return label_log_probs(real_logits(model, hidden), labels)

    rows = max(1, chunk_logits // real_vocabulary_size(model))
    if len(labels) <= rows:
        return score(hidden, labels)
    chunks = zip(hidden.split(rows), labels.split(rows), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([score(*chunk) for chunk in chunks])
    return torch.cat([checkpoint(score, *chunk, use_reentrant=False) for chunk in chunks])


def pack_for(model: Scorable, groups: Sequence[EncodedGroup], share_prefix: bool = True) -> Packed:
    """Lay groups out on the model's device, prompts shared where the model allows it and it saves work.

    Raises:
        UserError: a prompt with its response is longer than the model's context.
    """
    require_fit(groups, context_length(model))
    lm = causal_lm(model)
    shared = share_prefix and can_share_prefix(model) and sharing_pays(groups, lm.config.hidden_size)
    return pack(groups, lm.config.pad_token_id or 0, shared).to(lm.device)


def response_log_probs(
    model: Scorable,
    groups: Sequence[EncodedGroup],
    share_prefix: bool = True,
    chunk_logits: int = CHUNK_LOGITS,
) -> ResponseLogProbs:
    """Per-token log-probabilities of every response of every group, groups in order; carries gradients.

    Raises:
        UserError: a prompt with its response is longer than the model's context.
    """
    packed = pack_for(model, groups, share_prefix)
    scored = head_log_probs(model, scored_hidden_states(model, packed), packed.labels, chunk_logits)
    return ResponseLogProbs(packed.by_response(scored), packed.lengths)


def group_log_probs(model: Scorable, groups: Sequence[EncodedGroup]) -> tuple[Tensor, Tensor]:
    """Summed log-probabilities of groups of equal size and token counts: two [batch, group] tensors."""
    scores = response_log_probs(model, groups)
    return scores.sums().view(len(groups), -1), scores.lengths.view(len(groups), -1)


class ResponseScorer(nn.Module):
    """``group_log_probs`` as a module with one ``forward``: what to hand to DDP, FSDP or DeepSpeed.

    Those hook their gradient exchange on the outermost ``forward``; scoring calls the parts of a model
    directly and would go past a wrapper around the model itself.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, groups: Sequence[EncodedGroup]) -> tuple[Tensor, Tensor]:
        """Summed log-probabilities and lengths, [batch, group] each."""
        return group_log_probs(self.model, groups)
