"""Which filter to train with, foretold from responses of the reference policy (PF-PPO, arXiv 2409.06957, section 4)."""

from collections.abc import Mapping

from tasks.data.tables import read_scores
from tasks.engine.refs import Scores
from tasks.engine.schema import UserError
from tasks.policy.steps.filters import Filter


def choose_filter(scores: Scores, filters: Mapping[str, Filter]) -> str:
    """Name of the filter of ``filters`` with the best mean ``filter_r2`` in ``scores`` (points are the names)."""
    table = read_scores(scores)
    means = table[table["metric"] == "filter_r2"].groupby("point")["value"].mean()
    return best_filter({str(name): float(value) for name, value in means.items()}, filters)


def best_filter(reliability: Mapping[str, float], filters: Mapping[str, Filter]) -> str:
    """Name of the filter of ``filters`` with the largest R^2 in ``reliability``; of equal ones the first.

    Filters that keep good responses only (best-of-N, one threshold) are passed over: their R^2 does not foretell what
    training with them comes to. Raises UserError if no other has an R^2.
    """
    able = [name for name, one in filters.items() if not one.one_sided and name in reliability]
    if not able:
        raise UserError(
            f"none of the filters {', '.join(filters) or '(none given)'} both has an R^2 and keeps bad responses too; "
            "offer best_random or best_worst"
        )
    return max(able, key=reliability.__getitem__)
