"""What self-revision logs and is measured by."""

from tasks.evaluation.metrics.metric import share

METRICS = {
    "unchanged": share("Revisions that leave their draft as it is", "1[y_k+1 = y_k]", "neither"),
    "data/unchanged_revisions": share(
        "Demonstrated revisions that leave their draft as it is", "1[y = draft]", "neither"
    ),
}
