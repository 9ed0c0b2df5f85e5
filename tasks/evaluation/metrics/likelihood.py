"""Metrics of how likely a policy holds given responses, a token."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "likelihood_accuracy": share(
        "Average log-probability ranks a held-out pair as its label does",
        "1[log pi(chosen)/|chosen| > log pi(rejected)/|rejected|], 0.5 if equal",
    ),
    "reward_likelihood_agreement": share(
        "Log-ratio to the reference and average log-probability put a held-out pair in one order",
        "1[both prefer the same response], 0.5 if either is indifferent",
        "neither",
    ),
    "chosen_token_log_prob": Metric(
        "Average log-probability of a held-out chosen response", "log pi(y|x) / |y|", "nats a token", "neither"
    ),
    "chosen_tokens": Metric("Length of a held-out chosen response, EOS included", "|y|", "tokens", "neither", 0.0),
}
