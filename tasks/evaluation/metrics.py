"""What each per-prompt metric means, its unit, and the range it can take."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric of the tidy scores: ``value`` lies in [lowest, highest], in ``unit``."""

    meaning: str
    unit: str
    lowest: float = -math.inf
    highest: float = math.inf


METRICS: dict[str, Metric] = {
    "gold_reward": Metric("Reward of the programmed gold scorer on one sampled response", "gold units"),
    "proxy_reward": Metric("Reward of the learned reward model the policy was trained on", "reward units"),
    "kl": Metric("Sum over response tokens of log pi - log pi_ref on a response sampled from pi", "nats"),
    "token_kl": Metric("Exact per-token KL(pi || pi_ref) summed over a response sampled from pi", "nats", 0.0),
    "implicit_accuracy": Metric(
        "1 if log pi - log pi_ref is larger for chosen than for rejected on a held-out pair, 0.5 if equal",
        "share",
        0.0,
        1.0,
    ),
    "margin": Metric("beta (log pi/pi_ref of chosen minus that of rejected) on a held-out pair", "reward units"),
    "chosen_log_ratio": Metric("log pi - log pi_ref of the chosen response of a held-out pair", "nats"),
    "response_tokens": Metric("Scored tokens of the response, incl. EOS", "tokens", 0.0),
    "win_rate": Metric("1 if the policy's response beats the baseline's, 0.5 if they tie", "share", 0.0, 1.0),
    "lc_win_rate": Metric("Win rate with the effect of response length removed", "share", 0.0, 1.0),
    "accuracy": Metric("1 if a verifier accepts the answer", "share", 0.0, 1.0),
    "exact_match": Metric("1 if the extracted answer equals the reference answer", "share", 0.0, 1.0),
    "well_formed": Metric("1 if the response obeys the task's format", "share", 0.0, 1.0),
    "distinct_1": Metric("Distinct words over words, across the samples of a prompt", "share", 0.0, 1.0),
    "distinct_2": Metric("Distinct word pairs over word pairs, across the samples of a prompt", "share", 0.0, 1.0),
}


def metric_range(name: str) -> tuple[float, float]:
    """Lowest and highest value of a metric; an unknown metric is unbounded.

    ``win_rate_vs_sft`` has the range of ``win_rate``: what follows ``_vs_`` names the baseline arm.
    """
    metric = METRICS.get(name.partition("_vs_")[0])
    return (metric.lowest, metric.highest) if metric else (-math.inf, math.inf)
