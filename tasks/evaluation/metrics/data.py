"""What preparing data counts, under its whole path."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "data/pairs": Metric("Pairs that were labelled", "rows", "pairs", "neither", 0.0),
    "data/identical_pairs": Metric("Pairs dropped since both samples are the same text", "rows", "pairs", "lower", 0.0),
    "data/labels_agree_with_gold": share("Labels that prefer the response of higher gold reward", "agreeing / unequal"),
    "data/rows_read": Metric("Rows of the source", "rows", "rows", "neither", 0.0),
    "data/rows_kept": Metric("Rows that could be used", "rows", "rows", "higher", 0.0),
    "data/bad_rows": Metric("Rows that could not be used", "rows", "rows", "lower", 0.0),
    "data/bad_share": share("Share of rows that could not be used", "bad / read", "lower"),
    "data/bad": Metric("Bad rows of one reason, named after it", "rows", "rows", "lower", 0.0),
}
