"""Metrics of generated programs."""

from tasks.evaluation.metrics.metric import share

PASS_AT = (1, 2, 5, 10, 20, 25, 50, 100)
"""The k for which pass@k can be reported."""

METRICS = {
    f"pass_at_{k}": share(
        f"One of {k} sampled programs passes the problem's tests",
        f"1 - C(n - c, {k}) / C(n, {k}), n samples of which c pass",
    )
    for k in PASS_AT
}
