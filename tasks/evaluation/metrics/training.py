"""What training logs at every step, under its whole path."""

from tasks.evaluation.metrics.metric import Metric, share

NATS, REWARD = "nats", "reward units"

METRICS = {
    "train/loss": Metric("The objective on a batch", "mean over rows", "as the objective", "lower"),
    "train/learning_rate": Metric("Step size of the optimiser", "schedule(step)", "1", "neither", 0.0),
    "train/grad_norm": Metric("Gradient before clipping", "l2 norm over parameters", "1", "neither", 0.0),
    "train/rewards/chosen": Metric("Implicit reward of chosen", "beta log pi/pi_ref(chosen)", REWARD, "higher"),
    "train/rewards/rejected": Metric("Implicit reward of rejected", "beta log pi/pi_ref(rejected)", REWARD, "lower"),
    "train/rewards/margin": Metric("Their difference", "reward(chosen) - reward(rejected)", REWARD, "higher"),
    "train/rewards/accuracy": share("Pairs ranked as labelled", "1[reward(chosen) > reward(rejected)]"),
    "train/log_probs/chosen": Metric("Log-likelihood of chosen", "log pi(chosen|x)", NATS, "neither"),
    "train/log_probs/rejected": Metric("Log-likelihood of rejected", "log pi(rejected|x)", NATS, "neither"),
    "train/log_probs/token": Metric("Log-likelihood a token", "sum log pi / tokens", NATS, "higher"),
    "train/log_probs/response": Metric("Log-likelihood a response", "log pi(y|x)", NATS, "higher"),
    "train/weights/mean": Metric("Weight of a row in the likelihood", "mean w", "1", "neither"),
}
