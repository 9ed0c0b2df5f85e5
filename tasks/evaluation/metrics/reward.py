"""What fitting and judging reward models logs; r is a reward model's score of a response."""

from tasks.evaluation.metrics.metric import Metric, share

REWARD = "reward units"

METRICS = {
    "train/scores/chosen": Metric("Score of the preferred response", "r(x, chosen)", REWARD, "neither"),
    "train/scores/rejected": Metric("Score of the other response", "r(x, rejected)", REWARD, "neither"),
    "train/scores/margin": Metric("Their difference", "r(x, chosen) - r(x, rejected)", REWARD, "higher"),
    "train/scores/accuracy": share("Training pairs scored as labelled", "1[r(chosen) > r(rejected)], 0.5 if equal"),
    "train/penalty": Metric("Regularisers of the scores in the loss", "see the objective", REWARD, "neither"),
    "train/sign_accuracy": share("Costs on their label's side of zero", "1[(c > 0) = unsafe]"),
    "train/quality_length_correlation": Metric(
        "How far ODIN's quality head follows the length", "Pearson(r_Q, |y|)", "1", "neither", -1.0, 1.0
    ),
    "train/length_length_correlation": Metric(
        "How far ODIN's length head follows the length", "Pearson(r_L, |y|)", "1", "higher", -1.0, 1.0
    ),
    "train/head_cosine": share("Likeness of ODIN's two heads", "|cos(W_Q, W_L)|", "lower"),
    "train/inconsistency": Metric(
        "How far a pairwise judge's two orders contradict each other", "(P(a > b) + P(b > a) - 1)^2", "1", "lower", 0.0,
        1.0,
    ),
    "reward_accuracy": share("Held-out pairs scored as labelled", "1[r(chosen) > r(rejected)], 0.5 if equal"),
    "reward_mean": Metric("Score of held-out responses", "mean r, both responses of a pair", REWARD, "neither"),
    "reward_spread": Metric("Spread of held-out scores", "population standard deviation of r", REWARD, "neither", 0.0),
    "reward_margin": Metric("Difference of held-out scores", "r(x, chosen) - r(x, rejected)", REWARD, "higher"),
    "reward_calibration_error": share(
        "How far P = sigma(r - r') is from how often the label agrees",
        "sum over 10 bins of (pairs in bin / pairs) |accuracy - mean confidence|, confidence sigma(|r - r'|)",
        "lower",
    ),
    "reward_gold_accuracy": share(
        "Held-out pairs ranked as the gold reward ranks them",
        "1[sign of r - r' = sign of r* - r*'], pairs of equal r* left out",
    ),
    "reward_gold_correlation": Metric(
        "Rank correlation with the gold reward", "Spearman(r, r*) over held-out responses", "1", "higher", -1.0, 1.0
    ),
    "reward_flip_rate": share(
        "A pairwise judge's winner changes with the order of the responses", "1[winner(a, b) != winner(b, a)]", "lower"
    ),
}  # fmt: skip
