"""Whether probabilities are as high as they turn out right: pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class ReliabilityBin:
    """The questions whose confidence lies in (low, high]."""

    low: float
    high: float
    confidence: tuple[float, ...]
    correct: tuple[float, ...]
    """1 for right, 0 for wrong."""

    @property
    def gap(self) -> float:
        """Accuracy less mean confidence, in [-1, 1]: negative where the bin is overconfident."""
        return float(np.mean(self.correct) - np.mean(self.confidence))


def probabilities(log_probs: Sequence[float]) -> np.ndarray:
    """Softmax of summed log-probabilities [candidates] in nats."""
    values = np.asarray(log_probs, dtype=np.float64)
    mass = np.exp(values - values.max())
    return mass / mass.sum()


def reliability_bins(confidence: ArrayLike, correct: ArrayLike, bins: int) -> list[ReliabilityBin]:
    """The bins of equal width that hold any question, by rising confidence.

    ``confidence`` [questions] in [0, 1], ``correct`` [questions] 0 or 1; a confidence of 0 belongs to the lowest bin.
    Raises ValueError for other shapes or values, or no question.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != right.shape or not sure.size or bins < 1:
        raise ValueError(f"wanted are two equally long lists and a bin: {sure.shape}, {right.shape}, {bins} bins")
    if not ((sure >= 0.0) & (sure <= 1.0)).all() or not np.isin(right, (0.0, 1.0)).all():
        raise ValueError("confidence has to be in [0, 1], and correct 0 or 1")
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    return [
        ReliabilityBin(
            float(edges[index]),
            float(edges[index + 1]),
            tuple(sure[place == index].tolist()),
            tuple(right[place == index].tolist()),
        )
        for index in np.unique(place)
    ]


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int) -> float:
    """Mean distance of accuracy from confidence, weighted by the questions in a bin, in [0, 1].

    Guo et al. 2017 (1706.04599), equation 3, with ``bins`` of equal width. It is biased upwards for few questions, and
    depends on ``bins``. Raises as ``reliability_bins``.
    """
    found = reliability_bins(confidence, correct, bins)
    return sum(len(one.correct) * abs(one.gap) for one in found) / sum(len(one.correct) for one in found)


def brier_score(probability: ArrayLike, right: int) -> float:
    """Squared distance of ``probability`` [candidates] from 1 for candidate ``right`` and 0 else, in [0, 2].

    Brier 1950, for several classes.
    """
    distance = np.array(probability, dtype=np.float64)
    distance[right] -= 1.0
    return float((distance**2).sum())
