"""Accuracies on several test sets as one: pooled over shifted sets, and what is lost from the training distribution."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasks.evaluation.whole_run_scores import whole_run_scores


def pooled(scores: pd.DataFrame, suites: Sequence[str], metric: str, name: str) -> pd.DataFrame:
    """The scores of ``suites`` as one suite ``name``: a prompt of each is a prompt of its own, so arms stay paired."""
    here = scores[scores["suite"].isin(suites) & (scores["metric"] == metric)]
    return here.assign(prompt_id=here["suite"] + "/" + here["prompt_id"], suite=name)


def accuracy_drops(
    scores: pd.DataFrame, paper: str, start: str, suites: Sequence[str], metric: str, name: str
) -> list[pd.DataFrame]:
    """``accuracy_drop`` in the suite ``name``: an arm's accuracy on ``start`` less its mean over ``suites``, by seed.

    Every shifted set counts alike, whatever its size. An arm and seed without all of them is left out.
    """
    means = suite_means(scores, [start, *suites], metric)
    drops: dict[str, dict[int, float]] = {}
    for (arm, seed), found in means.items():
        if {start, *suites} <= found.keys() and suites:
            shifted = sum(found[suite] for suite in suites) / len(suites)
            drops.setdefault(arm, {})[seed] = found[start] - shifted
    return whole_run_scores(paper, name, "accuracy_drop", drops)


def suite_means(scores: pd.DataFrame, suites: Sequence[str], metric: str) -> Mapping[tuple[str, int], dict[str, float]]:
    """(arm, seed) → suite → mean of ``metric``."""
    here = scores[scores["suite"].isin(suites) & (scores["metric"] == metric)]
    found: dict[tuple[str, int], dict[str, float]] = {}
    means = here.groupby(["arm", "seed", "suite"], as_index=False)["value"].mean()
    for arm, seed, suite, value in means[["arm", "seed", "suite", "value"]].itertuples(index=False):
        found.setdefault((str(arm), int(seed)), {})[str(suite)] = float(value)
    return found
