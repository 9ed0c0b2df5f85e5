"""Metrics of sampled responses, in the tiny world and elsewhere."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "gold_reward": Metric("Reward of the programmed gold scorer", "r*(x, y), y ~ pi(.|x)", "gold units", "higher"),
    "proxy_reward": Metric("Reward of a learned reward model", "r(x, y), y ~ pi(.|x)", "reward units", "higher"),
    "proxy_cost": Metric("Cost of a learned cost model", "c(x, y), y ~ pi(.|x)", "cost units", "lower"),
    "reward_variance": Metric(
        "Disagreement of an ensemble's members about the response",
        "(1/k) sum_i (r_i(x, y) - mean_j r_j(x, y))^2",
        "squared reward units",
        "neither",
        0.0,
    ),
    "kl": Metric(
        "Sampled divergence from the reference", "log pi(y|x) - log pi_ref(y|x), y ~ pi (k1)", "nats", "neither"
    ),
    "kl_k2": Metric(
        "Sampled divergence from the reference, squared log-ratios of the tokens",
        "sum_t (log pi - log pi_ref)^2 / 2 of token t, y ~ pi (k2)",
        "nats",
        "neither",
        0.0,
    ),
    "kl_k3": Metric(
        "Sampled divergence from the reference, never negative",
        "sum_t exp(-l_t) - 1 + l_t with l_t = log pi - log pi_ref of token t, y ~ pi (k3)",
        "nats",
        "neither",
        0.0,
    ),
    "token_kl": Metric(
        "Exact per-token divergence along a sampled response",
        "sum_t KL(pi(.|x, y_<t) || pi_ref(.|x, y_<t)), y ~ pi",
        "nats",
        "neither",
        0.0,
    ),
    "implicit_accuracy": share(
        "The implicit reward ranks a held-out pair as its label does",
        "1[log pi/pi_ref(chosen) > log pi/pi_ref(rejected)], 0.5 if equal",
    ),
    "margin": Metric(
        "Implicit-reward margin of a held-out pair",
        "beta (log pi/pi_ref(chosen) - log pi/pi_ref(rejected))",
        "reward units",
        "higher",
    ),
    "rejected_log_ratio": Metric(
        "The same of the rejected response", "log pi(rejected) - log pi_ref(rejected)", "nats", "neither"
    ),
    "chosen_log_ratio": Metric(
        "Implicit reward of a held-out chosen response over beta", "log pi(chosen) - log pi_ref(chosen)", "nats",
        "neither",
    ),
    "response_tokens": Metric("Length of the response, EOS included", "|y|", "tokens", "neither", 0.0),
    "response_characters": Metric("Length of the response", "characters of y", "characters", "neither", 0.0),
    "finished": share("The response ended before the limit of tokens", "1[EOS or a stop string in y]"),
    "win_rate": share("The policy's response beats the baseline's", "P(y beats y_baseline), a tie counts half"),
    "lc_win_rate": share(
        "Win rate with the effect of response length removed", "fitted P(win) with the length term set to 0"
    ),
    "accuracy": share("The answer is right", "1[a verifier accepts y]"),
    "exact_match": share("The extracted answer equals the reference answer", "1[extract(y) = reference]"),
    "well_formed": share("The response obeys the task's format", "1[y parses]"),
    "distinct_1": share("Distinct words among the samples of a prompt", "|set of words| / |words|"),
    "distinct_2": share("Distinct word pairs among the samples of a prompt", "|set of pairs| / |pairs|"),
}  # fmt: skip
