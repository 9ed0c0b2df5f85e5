"""Comparing the best of two courses, each best one chosen on other prompts and seeds than it is measured on."""

from collections.abc import Sequence

from tasks.evaluation.evidence_over_training import Drop


def peak_difference(metric: str, points: Sequence[str], baselines: Sequence[str], suite: str) -> Drop:
    """The best of ``points`` less the best of ``baselines``.

    Both drops are taken to one common last point, which their difference is free of.
    """
    last = baselines[-1]
    return Drop(metric=metric, points=(*points, last), suite=suite, baselines=(*baselines, last))
