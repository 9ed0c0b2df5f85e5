"""Length-controlled win rates: a logistic model of the preference in which the length term is then set to 0.

    logit P(model better | i) = w_length tanh(s_i) + w_difficulty g_i + b

s_i: standardised length difference, baseline - model. g_i: a fixed difficulty of the instruction. b: the model.
Dubois, Galambosi, Liang and Hashimoto, "Length-Controlled AlpacaEval" (arXiv 2404.04475); AlpacaEval's official
names of the three forms are length_controlled_v1, length_controlled_noreg and length_controlled_minimal (ours differs
from the last, see ``fit_minimal``).
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.bootstrap import Resampled, bootstrap_rows
from tasks.evaluation.statistics.wilson import wilson_interval

Values = NDArray[np.float64]
PENALTY_STRENGTHS = np.logspace(-4.0, 4.0, 10)
"""Values of C (inverse strength of the L1 penalty) among which cross-validation chooses."""
FOLDS = 5
RANDOM_STATE = 123
SMALLEST_PROBABILITY = 1e-15
GAMED_ROW_WEIGHT = 0.1
"""Weight of a row of a gamed baseline: lambda 0.2 over two gamed baselines."""


@dataclass(frozen=True)
class Coefficients:
    """A fitted model; the baseline's own are all 0, so that it wins half against itself."""

    length: float
    difficulty: float
    intercept: float


@dataclass(frozen=True)
class Observed:
    """Rows of one model against the baseline, each [rows]."""

    preference: Values
    """P(model better) in [0, 1]; NaN where the annotation is missing."""
    length_difference: Values
    """s, see ``standardized_length_difference``."""
    difficulty: Values


@dataclass(frozen=True)
class GamedBaselines:
    """Rows of the baseline prompted to be concise and to be verbose: they pin the length and difficulty weights."""

    preference: Values
    """P(gamed better) in [0, 1]."""
    length_difference: Values
    """s, standardised over the rows of each."""
    difficulty: Values


@dataclass(frozen=True)
class LengthControlled:
    """A length-controlled win rate, in [0, 1]."""

    coefficients: Coefficients
    predictions: Values
    """[rows] P(model better) at equal length."""

    @property
    def win_rate(self) -> float:
        """Mean prediction."""
        return float(self.predictions.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean prediction over rows (AlpacaEval's lc_standard_error); NaN of one row.

        It holds the spread of difficulty alone, and not the noise of the coefficients.
        """
        if len(self.predictions) < 2:
            return float("nan")
        return float(self.predictions.std(ddof=1) / np.sqrt(len(self.predictions)))


def standardized_length_difference(baseline: ArrayLike, model: ArrayLike) -> Values:
    """s [rows] = (baseline - model) / its standard deviation (ddof 1), from lengths in characters; not centred.

    All 0 where the difference does not vary, so that there is no length effect to be told apart.
    """
    difference = np.asarray(baseline, dtype=np.float64) - np.asarray(model, dtype=np.float64)
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    return difference / spread if spread > 0.0 else np.zeros_like(difference)


def fit_full(rows: Observed, gamed: GamedBaselines) -> Coefficients:
    """length_controlled_v1: the model's rows at weight 1 with the gamed baselines' at 0.1 each (without b).

    Raises UserError if no row has a preference.
    """
    known = _known(rows)
    features = np.concatenate([_features(gamed, intercept=0.0), _features(known, intercept=1.0)])
    preference = np.concatenate([gamed.preference, known.preference])
    weight = np.repeat([GAMED_ROW_WEIGHT, 1.0], [len(gamed.preference), len(known.preference)])
    return Coefficients(*_fit_cross_validated(features, preference, weight))


def fit_without_gamed(rows: Observed) -> Coefficients:
    """length_controlled_noreg: the model's rows alone. Raises UserError if fewer than five have a preference."""
    known = _known(rows)
    if len(known.preference) < FOLDS:
        raise UserError(f"a fit with {FOLDS} folds wants as many annotated prompts; use the minimal form on few")
    return Coefficients(*_fit_cross_validated(_features(known, 1.0), known.preference, np.ones(len(known.preference))))


def fit_minimal(preference: ArrayLike, length_difference: ArrayLike, strength: float = 1.0) -> Coefficients:
    """tanh(s) and b alone, [rows] without missing preferences, at a fixed C = ``strength``; for own prompt sets.

    Ours, where AlpacaEval's has an L1 penalty on both: an L2 penalty on the length weight and none on b. A model whose
    lengths all differ to one side, or that loses every comparison, cannot be told from a length effect; then b, and so
    the plain win rate, takes it, and not 50 %.
    """
    target = np.asarray(preference, dtype=np.float64)
    features = np.tanh(np.asarray(length_difference, dtype=np.float64))[:, None]
    model = LogisticRegression(C=strength, l1_ratio=0.0, solver="newton-cholesky", fit_intercept=True)
    labels, weights = _soft_labels(target, np.ones(len(target)))
    with warnings.catch_warnings():
        # Where one side always wins b has no finite optimum; where it stops is certain enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.tile(features, (2, 1)), labels, sample_weight=weights)
    return Coefficients(float(model.coef_[0, 0]), 0.0, float(model.intercept_[0]))


def length_control(coefficients: Coefficients, difficulty: ArrayLike) -> LengthControlled:
    """The win rate that ``coefficients`` predict over prompts with ``difficulty`` [rows] when lengths are equal."""
    return LengthControlled(coefficients, predict(coefficients, difficulty))


def predict(model: Coefficients, difficulty: ArrayLike, other: Coefficients = Coefficients(0.0, 0.0, 0.0)) -> Values:
    """[rows] P(``model`` better than ``other``) at equal length; ``other`` is the baseline unless given."""
    g = np.asarray(difficulty, dtype=np.float64)
    return np.asarray(expit((model.difficulty - other.difficulty) * g + (model.intercept - other.intercept)))


def fitted_interval(fitted: Coefficients, rows: Observed, gamed: GamedBaselines, *, level: float = 0.95) -> Resampled:
    """Interval of the win rate of ``fit_full`` or (no ``gamed`` rows) ``fit_without_gamed`` over prompts, in [0, 1].

    The delta method with the sandwich covariance of the coefficients (Huber 1967), the gamed rows taken as fixed and
    the small L1 penalty left out. The standard error is AlpacaEval's, which has no noise of the coefficients in it.
    """
    known = np.isfinite(rows.preference)
    own = _features(rows, intercept=1.0)
    features = np.concatenate([_features(gamed, intercept=0.0), own[known]])
    weight = np.repeat([GAMED_ROW_WEIGHT, 1.0], [len(gamed.preference), int(known.sum())])
    theta = np.array([fitted.length, fitted.difficulty, fitted.intercept])
    q = expit(features @ theta)
    information = (features * (weight * q * (1.0 - q))[:, None]).T @ features
    found = length_control(fitted, rows.difficulty)
    at_equal_length = own * np.array([0.0, 1.0, 1.0])
    slope = ((found.predictions * (1.0 - found.predictions))[:, None] * at_equal_length).mean(axis=0)
    influence = found.predictions - found.win_rate
    residual = rows.preference[known] - expit(own[known] @ theta)
    influence[known] += len(own) * residual * (own[known] @ np.linalg.pinv(information) @ slope)
    half = float(stats.norm.isf((1.0 - level) / 2.0) * np.sqrt(np.square(influence).sum()) / len(own))
    low, high = max(0.0, found.win_rate - half), min(1.0, found.win_rate + half)
    return Resampled(found.win_rate, low, high, found.standard_error)


def minimal_interval(
    preference: ArrayLike,
    baseline_length: ArrayLike,
    model_length: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Resampled:
    """Win rate of ``fit_minimal`` with a percentile bootstrap interval over prompts, each argument [rows]; the
    length difference is standardised anew in each resample. Where every prompt has the same preference no resample
    differs, and the interval is Wilson's. Raises UserError if a value is not finite."""

    def win_rate(chosen: Values, baseline: Values, model: Values) -> float:
        fitted = fit_minimal(chosen, standardized_length_difference(baseline, model))
        return float(expit(fitted.intercept))

    arrays = (preference, baseline_length, model_length)
    found = bootstrap_rows(win_rate, arrays, level=level, resamples=resamples, seed=seed)
    target = np.asarray(preference, dtype=np.float64)
    if np.ptp(target) > 0.0:
        return found
    low, high = wilson_interval(float(target.sum()), len(target), level)
    return replace(found, low=low, high=high)


def changes_much(win_rate: float, controlled: float) -> bool:
    """AlpacaEval's warning of a failed model or a gamed judge: LC below min(w - w/4, w - 0.1), or above
    max(w + (1 - w)/4, w + 0.1), with w the plain win rate in [0, 1]."""
    too_low = controlled < min(win_rate - win_rate / 4.0, win_rate - 0.1)
    return too_low or controlled > max(win_rate + (1.0 - win_rate) / 4.0, win_rate + 0.1)


def _known(rows: Observed) -> Observed:
    known = np.isfinite(rows.preference)
    if not known.any():
        raise UserError("length control wants at least one annotated prompt; none has a preference")
    return Observed(rows.preference[known], rows.length_difference[known], rows.difficulty[known])


def _features(rows: Observed | GamedBaselines, intercept: float) -> Values:
    return np.stack(
        [np.tanh(rows.length_difference), rows.difficulty, np.full(len(rows.preference), intercept)], axis=1
    )


def _fit_cross_validated(features: Values, preference: Values, weight: Values) -> tuple[float, ...]:
    """Coefficients at the C with the largest mean score over the folds, the smallest C if several have it.

    Each row is a group of its own, so both copies of its soft label are on the same side of a fold.
    """
    index = np.arange(len(preference))
    folds = list(GroupKFold(FOLDS).split(index, groups=index))
    scores = [
        [
            _score(_fit(features[train], preference[train], weight[train], strength), features[test], preference[test])
            @ weight[test]
            / len(test)
            for train, test in folds
        ]
        for strength in PENALTY_STRENGTHS.tolist()
    ]
    best = int(np.asarray(scores).mean(axis=1).argmax())
    return _fit(features, preference, weight, float(PENALTY_STRENGTHS[best]))


def _score(coefficients: tuple[float, ...], features: Values, preference: Values) -> Values:
    """[rows] log-likelihood of the soft labels."""
    q = np.clip(expit(features @ np.asarray(coefficients)), SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    return np.asarray(preference * np.log(q) + (1.0 - preference) * np.log(1.0 - q))


def _fit(features: Values, preference: Values, weight: Values, strength: float) -> tuple[float, ...]:
    """Weighted L1 logistic regression on soft labels: every row once as a win of weight w p, once as a loss."""
    model = LogisticRegression(
        C=strength, l1_ratio=1.0, solver="liblinear", fit_intercept=False, random_state=RANDOM_STATE
    )
    labels, weights = _soft_labels(preference, weight)
    model.fit(np.tile(features, (2, 1)), labels, sample_weight=weights)
    return tuple(float(value) for value in model.coef_[0])


def _soft_labels(preference: Values, weight: Values) -> tuple[Values, Values]:
    """Labels and weights, [2 rows] each: every row as a win of weight w p and as a loss of weight w (1 - p)."""
    labels = np.repeat([1.0, 0.0], len(preference))
    return labels, np.concatenate([weight * preference, weight * (1.0 - preference)])
