"""Metrics of GSM8K."""

from tasks.evaluation.metrics.metric import share

METRICS = {
    "exact_match_strict": share(
        "The number after the format's marker equals the reference (lm-evaluation-harness: strict-match)",
        "1[normalise(first match of '#### N' or 'The answer is N') = normalise(reference)], mean over samples",
    ),
    "exact_match_flexible": share(
        "The last number of the response equals the reference (lm-evaluation-harness: flexible-extract)",
        "1[normalise(last number in y) = normalise(reference)], mean over samples",
    ),
}
