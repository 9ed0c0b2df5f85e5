"""Evidence on win rates from which the effect of response length is taken out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from tasks.engine.schema import UserError
from tasks.evaluation.evidence import Measurement, gather
from tasks.evaluation.statistics.estimates import UNBOUNDED
from tasks.evaluation.statistics.length_control import fit_minimal, standardized_length_difference
from tasks.evaluation.statistics.noise import Values
from tasks.evaluation.win_rate import TIE

PENALTY = np.diag([1.0, 0.0])
"""What ``fit_minimal`` adds to the curvature: an L2 penalty with C = 1 on the length weight alone."""


@dataclass(frozen=True, kw_only=True)
class LengthControlledWins:
    """Length-controlled win rate of ``arm`` over ``opponent`` on the same prompts.

    The minimal form of AlpacaEval's length control (arXiv 2404.04475): logit P(win) = w tanh(s) + b, a win by
    ``metric``, s the standardised difference of ``length``; sigma(b) is the win rate at equal length. One fit a seed.
    A prompt's value is the fit's win rate plus the prompt's influence on it (infinitesimal jackknife), so that the mean
    over prompts is the win rate itself and their spread its noise; single values may leave [0, 1].
    """

    arm: str
    opponent: str
    suite: str
    metric: str = "gold_reward"
    length: str = "response_tokens"

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``. Raises UserError if the arm wins, loses or draws on every prompt of a seed."""
        arms = (self.arm, self.opponent)
        tables, note = gather(scores, self.suite, [(arm, name) for arm in arms for name in (self.metric, self.length)])
        reward, length, other, other_length = tables
        return Measurement(wins_of_seeds(reward, length, other, other_length, self.arm), UNBOUNDED, note)


@dataclass(frozen=True, kw_only=True)
class LengthControlledDifference:
    """Length-controlled win rate over ``opponent``: of ``arm`` minus of ``baseline``, paired on seed and prompt."""

    arm: str
    baseline: str
    opponent: str
    suite: str
    metric: str = "gold_reward"
    length: str = "response_tokens"

    def measure(self, scores: pd.DataFrame) -> Measurement:
        """See ``Evidence``. Raises UserError if one of them wins, loses or draws on every prompt of a seed."""
        arms = (self.arm, self.baseline, self.opponent)
        tables, note = gather(scores, self.suite, [(arm, name) for arm in arms for name in (self.metric, self.length)])
        reward, length, base, base_length, other, other_length = tables
        wins = wins_of_seeds(reward, length, other, other_length, self.arm)
        base_wins = wins_of_seeds(base, base_length, other, other_length, self.baseline)
        return Measurement(wins - base_wins, UNBOUNDED, note)


def wins_of_seeds(reward: Values, length: Values, other: Values, other_length: Values, arm: str) -> Values:
    """``controlled_wins`` of every seed; all [seeds, prompts]."""
    rows = range(len(reward))
    return np.stack([controlled_wins(reward[row], length[row], other[row], other_length[row], arm) for row in rows])


def controlled_wins(reward: Values, length: Values, other: Values, other_length: Values, arm: str) -> Values:
    """[prompts] values whose mean is the length-controlled win rate of the first over the other; see the class.

    Raises UserError, naming ``arm``, where all prompts have one winner: then no length effect can be told.
    """
    difference = reward - other
    wins = (difference > TIE) + 0.5 * (np.abs(difference) <= TIE)
    if len(wins) < 2 or np.ptp(wins) == 0.0:
        raise UserError(f"arm '{arm}' has one outcome on all {len(wins)} prompts; length control needs wins and losses")
    gap = standardized_length_difference(other_length, length)
    fitted = fit_minimal(wins, gap)
    features = np.stack([np.tanh(gap), np.ones(len(gap))], axis=1)
    expected = expit(features @ np.array([fitted.length, fitted.intercept]))
    curvature = (features * (expected * (1.0 - expected))[:, None]).T @ features + PENALTY
    rate = float(expit(fitted.intercept))
    pulled = (features * (wins - expected)[:, None]) @ np.linalg.inv(curvature)[:, 1]
    return rate + len(wins) * rate * (1.0 - rate) * (pulled - pulled.mean())
