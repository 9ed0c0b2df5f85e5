"""What training on fresh pairs logs of the round that a step belongs to, under its whole path."""

from tasks.evaluation.metrics.metric import Metric, share

PAIRS, TOKENS = "pairs", "tokens"

METRICS = {
    "train/round/pairs": Metric("Rows that the round brought", "comparisons not left out", PAIRS, "higher", 0.0),
    "train/round/tied": Metric("Left out: different texts, equally good", "P(a > b) = 0.5", PAIRS, "lower", 0.0),
    "train/round/identical": Metric("Left out: the same text twice", "y = y'", PAIRS, "lower", 0.0),
    "train/round/dropped": Metric(
        "Left out: the choice found no pair (a tournament's champion lost to its last)",
        "prompts x rows a prompt - pairs - tied - identical", PAIRS, "lower", 0.0,
    ),
    "train/round/response_tokens": Metric("Length of a sampled response", "tokens with EOS", TOKENS, "neither", 0.0),
    "train/round/finished": share("Sampled responses that ended in EOS", "1[EOS]"),
    "train/round/strength": share("How sure the labeller is of its labels", "mean P(chosen > rejected)", "neither"),
    "train/round/gold_reward": Metric(
        "True reward of what was sampled, for the record only", "mean over responses", "reward units", "higher"
    ),
    "train/round/labels_agree_with_gold": share(
        "Pairs labelled as the true reward would", "1[r*(chosen) > r*(rejected)], equal ones left out; 0.5 if all are"
    ),
    "train/round/sampled_tokens": Metric(
        "Tokens drawn for the round", "all responses, calibration's among them", TOKENS, "lower", 0.0
    ),
    "train/round/sample_seconds": Metric("Drawing the round's responses", "wall clock", "s", "lower", 0.0),
    "train/round/label_seconds": Metric("Having them compared", "wall clock", "s", "lower", 0.0),
    "train/round/reference_seconds": Metric("Scoring pairs by frozen models", "wall clock", "s", "lower", 0.0),
    "train/round/train_seconds": Metric(
        "Learning from the round before, checkpoints included", "wall clock", "s", "lower", 0.0
    ),
    "cost/sampled_tokens": Metric(
        "Tokens drawn in a whole run", "sum over rounds, each response once", TOKENS, "lower", 0.0
    ),
}  # fmt: skip
