"""How a judge behaves, whatever it says."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "position_flip_rate": share(
        "The judge's winner changes with the order of the responses",
        "1[winner(a, b) != winner(b, a)] over pairs read in both orders; a tie is a winner of its own",
        "lower",
    ),
    "first_position_share": share(
        "What the response shown first gets of the win, over both orders; 0.5 without position bias",
        "(P(a beats b | a first) + P(b beats a | b first)) / 2",
        "neither",
    ),
    "invalid_judgments": share(
        "Verdicts that could not be read from what the judge said", "1[no verdict after the last attempt]", "lower"
    ),
    "judge/retries": Metric(
        "Requests sent to a judge again after an error or an unusable answer", "attempts - requests", "requests",
        "lower", 0.0,
    ),
    "judge/truncated_rows": Metric(
        "Conversations longer than a reward model's context, of which it read the end", "1[tokens > context]", "rows",
        "lower", 0.0,
    ),
}  # fmt: skip
