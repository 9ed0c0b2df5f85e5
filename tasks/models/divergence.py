"""How far a policy has moved from its reference, in nats."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tasks.models.log_probs import CHUNK_LOGITS, pack_for, response_log_probs, scored_hidden_states
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable, real_logits, real_vocabulary_size


def token_kl(
    policy: Scorable, reference: Scorable, groups: Sequence[EncodedGroup], chunk_logits: int = CHUNK_LOGITS
) -> Tensor:
    """Exact KL(pi(.|x, y_<t) || pi_ref(.|x, y_<t)) summed over response positions, [responses] float32.

    Over the whole vocabulary, so one sequence has no sampling noise from the tokens that were drawn; averaged
    over samples of the policy it estimates the sequence KL. Gradients reach the policy only. Models must
    share a tokenizer.

    Raises:
        UserError: a prompt with its response is longer than the context of either model.
    """
    packed = pack_for(policy, groups)
    hidden = scored_hidden_states(policy, packed)
    with torch.no_grad():
        anchor = scored_hidden_states(reference, pack_for(reference, groups))

    def divergence(hidden: Tensor, anchor: Tensor) -> Tensor:
        log_p = real_logits(policy, hidden).log_softmax(-1)
        with torch.no_grad():
            log_q = real_logits(reference, anchor).log_softmax(-1)
        return (log_p.exp() * (log_p - log_q)).sum(-1)

    rows = max(1, chunk_logits // real_vocabulary_size(policy))
    chunks = zip(hidden.split(rows), anchor.split(rows), strict=True)
    if torch.is_grad_enabled() and len(hidden) > rows:
        values = [checkpoint(divergence, *chunk, use_reentrant=False) for chunk in chunks]
    else:
        values = [divergence(*chunk) for chunk in chunks]
    return packed.by_response(torch.cat(values)).sum(-1)


def sampled_kl(policy: Scorable, reference: Scorable, groups: Sequence[EncodedGroup]) -> Tensor:
    """log pi(y|x) - log pi_ref(y|x), [responses] float32: the k1 estimator for y sampled from the policy.

    Unbiased for the sequence KL; single values may be negative. Gradients reach the policy only.
    """
    scores = response_log_probs(policy, groups).sums()
    with torch.no_grad():
        anchor = response_log_probs(reference, groups).sums()
    return scores - anchor
