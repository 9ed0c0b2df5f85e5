"""What policy-gradient training logs at every iteration, under its whole path."""

from tasks.evaluation.metrics.metric import Metric, share

NATS, REWARD, TOKENS = "nats", "reward units", "tokens"
NATS_A_RESPONSE, NATS_A_TOKEN = "nats a response", "nats a token"

KL = {
    "train/kl_k1": Metric("KL to the reference, unbiased", "sum_t r_t, r = log pi/pi_ref", NATS_A_RESPONSE, "lower"),
    "train/kl_k2": Metric("KL to the reference, little noise", "sum_t r_t^2 / 2", NATS_A_RESPONSE, "lower", 0.0),
    "train/kl_k3": Metric("KL to the reference, never negative", "sum_t e^-r_t - 1 + r_t", NATS_A_RESPONSE, "lower"),
    "train/kl_inverted_k3": Metric(
        "What trlX's KL controller watches", "sum_t e^r_t - 1 - r_t", NATS_A_RESPONSE, "lower"
    ),
    "train/kl_coefficient": Metric("Penalty a nat of KL", "the controller's", "reward units a nat", "neither", 0.0),
    "train/kl_loss": Metric("KL term in the loss, unweighted", "as its estimator", NATS, "lower"),
}
POLICY = {
    "train/policy_loss": Metric("The policy's loss, without added terms", "as the objective", REWARD, "lower"),
    "train/clip_fraction": share("Steps whose gradient the clip removes", "1[clipped > plain]", "neither"),
    "train/approx_kl": Metric(
        "KL from the policy that sampled (k3)", "mean e^r - 1 - r, r = log pi_new/pi_old", NATS_A_TOKEN, "lower"
    ),
    "train/approx_kl_k1": Metric(
        "KL from the policy that sampled (k1)", "mean log pi_old/pi_new", NATS_A_TOKEN, "lower"
    ),
    "train/ratio_mean": Metric("Mean importance ratio", "mean pi_new/pi_old", "1", "neither", 0.0),
    "train/ratio_max": Metric("Largest importance ratio", "max pi_new/pi_old", "1", "lower", 0.0),
    "train/entropy": Metric("Entropy of the policy", "mean -sum_v pi log pi", NATS_A_TOKEN, "neither", 0.0),
    "train/policy_grad_norm": Metric("Policy gradient before clipping", "l2 norm", "1", "neither", 0.0),
    "train/advantages/mean": Metric("Mean advantage", "mean A", REWARD, "neither"),
    "train/advantages/deviation": Metric("Spread of advantages", "std A", REWARD, "neither", 0.0),
}
VALUE = {
    "train/value_loss": Metric("The value model's loss", "factor (V - G)^2, clipped", "reward units^2", "lower", 0.0),
    "train/value_clip_fraction": share("Values that the clip holds back", "1[clipped > plain]", "neither"),
    "train/explained_variance": Metric(
        "Return that values foresee", "1 - Var(G - V) / Var(G)", "1", "higher", highest=1.0
    ),
    "train/returns/mean": Metric("Mean return", "mean G", REWARD, "higher"),
    "train/returns/deviation": Metric("Spread of returns", "std G", REWARD, "neither", 0.0),
    "train/critic_grad_norm": Metric("Value gradient before clipping", "l2 norm", "1", "neither", 0.0),
}
RESPONSES = {
    "train/response_tokens": Metric("Length of a response", "tokens with EOS", TOKENS, "neither", 0.0),
    "train/finished": share("Responses that ended in EOS", "1[EOS]"),
    "train/forced_tokens": Metric("Given tokens of a response", "reset prefix", TOKENS, "neither", 0.0),
    "train/action_tokens": Metric("Length of a macro action", "tokens / macro actions", TOKENS, "neither", 0.0),
    "train/score": Metric("What the reward function gives", "mean over responses", REWARD, "higher"),
    "train/score_deviation": Metric("Spread of that", "std over responses, population", REWARD, "neither", 0.0),
    "train/shaped_reward": Metric("The reward of RL: the score, shaped", "mean over responses", REWARD, "higher"),
    "train/reward_variance": Metric(
        "Disagreement of an ensemble", "variance of members", "reward units^2", "lower", 0.0
    ),
    "train/gold_reward": Metric("True reward, for the record only", "mean over responses", REWARD, "higher"),
}
COST = {
    "cost/sample_seconds": Metric("Drawing responses", "wall clock", "s", "lower", 0.0),
    "cost/score_seconds": Metric("Scoring them", "wall clock", "s", "lower", 0.0),
    "cost/train_seconds": Metric("Learning from them", "wall clock", "s", "lower", 0.0),
    "cost/response_tokens_per_second": Metric(
        "Speed of the whole loop", "tokens drawn / seconds", "tokens/s", "higher", 0.0
    ),
}

METRICS = KL | POLICY | VALUE | RESPONSES | COST
