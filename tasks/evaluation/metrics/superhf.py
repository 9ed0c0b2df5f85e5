"""What SuperHF logs and is measured by."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "train/cross_entropy": Metric(
        "Cross-entropy of the chosen completions", "mean -log p_theta", "nats a token", "lower"
    ),
    "train/prior_kl": Metric(
        "Divergence of the policy from the initial model on the chosen completions",
        "mean over completions of the mean over tokens of KL(p0 || p_theta)",
        "nats a token",
        "lower",
        0.0,
    ),
    "train/chosen_score": Metric("Score of the completions that are learned from", "mean r", "reward units", "higher"),
    "train/chosen_tokens": Metric("Their length", "tokens with EOS", "tokens", "neither", 0.0),
    "test_reward": Metric(
        "Reward of a model fitted on the half of the pairs that training never sees",
        "r_test(x, y), y ~ pi(.|x)",
        "reward units",
        "higher",
    ),
    "meteor_across_prompts": share(
        "Likeness of a response to those to other prompts",
        "mean over 16 responses to other prompts of METEOR(that; y), exact and stem matches without synonyms",
        "lower",
    ),
}
