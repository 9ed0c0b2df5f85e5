"""Weighted negative log-likelihood: the one loss of the supervised loop."""

from torch import Tensor

from tasks.engine.schema import Frozen


class NegativeLogLikelihood(Frozen):
    """L = - sum_i w_i log pi(y_i | x_i) / sum_i |y_i|: nats per response token.

    Supervised fine-tuning is w = 1; papers that learn from weighted samples bring their own weights. The
    denominator counts response tokens (incl. EOS) and not weights, so scaling all weights scales the loss.
    It is the count *in the batch passed in*: a loop that splits a batch (micro-batches, processes) must
    scale each part by its share of the tokens. The official DPO code instead averages summed losses over
    sequences.
    """

    def loss(self, log_probs: Tensor, lengths: Tensor, weights: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the token-mean loss (scalar, with gradient) and detached metrics.

        ``log_probs``: [batch] float, sum over response tokens of log pi(y_t | x, y_<t). ``lengths``:
        [batch] int64, number of scored tokens, >= 0. ``weights``: [batch] float, constant; its gradient
        is not followed. A batch without any token has loss 0.
        """
        tokens = lengths.sum().clamp(min=1)
        weights = weights.detach()
        loss = -(weights * log_probs).sum() / tokens
        return loss, {
            "log_probs/token": log_probs.detach().sum() / tokens,
            "log_probs/response": log_probs.detach().mean(),
            "weights/mean": weights.mean(),
        }
