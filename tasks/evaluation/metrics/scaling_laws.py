"""Metrics of fits and regressions over a whole run (arXiv 2406.02900): one number an arm and seed."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "fit_error_ratio": Metric(
        "Error of R(d) = d (a - b log d) against that of d (a - b d), in halvings",
        "log2(RMSE of the log form / RMSE of the quadratic form)",
        "1",
        "lower",
    ),
    "length_r_squared": Metric(
        "Share of the log-ratio's variance over responses that their length explains",
        "1 - sum e^2 / sum (z - mean z)^2, z = log pi/pi_ref(y) = c |y| + e, y ~ pi",
        "1",
        "lower",
        highest=1.0,
    ),
    "length_slope": Metric("Log-ratio a token, of that regression", "c in z = c |y| + e", "nats a token", "neither"),
    "ood_mass": share(
        "Probability of all trajectories of a tree MDP that no preference pair holds", "sum pi(trajectory)", "lower"
    ),
    "chosen_log_prob": Metric(
        "Log-probability of a tree MDP's chosen trajectories", "mean log pi(chosen)", "nats", "higher", highest=0.0
    ),
}
