"""Style control: the win rate that is left when the two answers' length and markdown are accounted for.

Follows lm-sys/arena-hard-auto (efc012e, ``utils_math.py``) for v0.1 and lmarena/arena-hard-auto (196f6b8,
``show_result.py``) for v2.0, except:

* v2.0's control of length alone, or of markdown alone, keeps only the first columns of the design or drops the first,
  and so loses the models' own columns; here the chosen style columns stand beside the models'.
* Both centre the style columns on the battles at hand. That is a control where many models share a pool; with one model
  it moves the style effect into the rating, and the "controlled" win rate is the plain one again. ``equal`` does not
  centre: the win rate then holds for answers of one style, as AlpacaEval's length control does it.
* v2.0's optimiser stops after 50 steps; here the fit converges.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.evaluation.statistics.bradley_terry import ANCHOR_RATING, bootstrap, fit, win_probability
from tasks.evaluation.suites.arena_hard_battles import BASELINE, MODEL, Score, battles

Floats = NDArray[np.float64]
Control = Literal["off", "length", "markdown", "style"]
Centre = Literal["equal", "pool"]
COLUMNS: Mapping[Control, tuple[int, ...]] = {"off": (), "length": (0,), "markdown": (1, 2, 3), "style": (0, 1, 2, 3)}
"""Which elements of ``Style`` are controlled for."""
PENALTY = {"v0.1": 1.0, "v2.0": 0.0}
"""L2 weight on the coefficients of a style-controlled fit (v0.1: scikit-learn's default)."""

FENCED = re.compile(r"```([^`]*)```")
HEADERS = re.compile(r"^#{1,6}\s", re.MULTILINE)
LISTS = (re.compile(r"^\s*\d+\.\s", re.MULTILINE), re.compile(r"^\s*[-*+]\s", re.MULTILINE))
BOLD = (re.compile(r"\*\*[^*\n]+\*\*"), re.compile(r"__[^_\n]+__"))
PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)|[^\r\n\w]?[^\W\d_]+|\d{1,3}| ?[^\s\w]+[\r\n]*|_+|\s*[\r\n]+|\s+(?!\S)|\s+")


class Style(NamedTuple):
    """What of an answer's style is counted."""

    tokens: float
    headers: float
    lists: float
    bold: float


def count_pieces(text: str) -> int:
    """Words, groups of up to three digits, runs of punctuation and of line ends: a stand-in for an OpenAI tokenizer.

    This is about how those tokenizers cut text before they split rare words, so it counts a little less than they do.
    """
    return len(PIECES.findall(text))


def style_of(text: str) -> Style:
    """Counts of one answer; markdown inside code fences does not count."""
    plain = text
    for inside in FENCED.findall(text):
        plain = plain.replace(inside, "")
    lists, bold = (float(sum(len(one.findall(plain)) for one in kinds)) for kinds in (LISTS, BOLD))
    return Style(float(count_pieces(text)), float(len(HEADERS.findall(plain))), lists, bold)


def ratio_differences(own: Floats, other: Floats) -> Floats:
    """v0.1: (a - b) / (a + b + 1) of every count; arrays [n, 4] of ``Style``, values in (-1, 1)."""
    return (own - other) / (own + other + 1.0)


def density_differences(own: Floats, other: Floats) -> Floats:
    """v2.0: (a - b) / (a + b) of tokens; of markdown the densities p = count / (tokens + 1), (p - q) / (p + q + 1)."""
    tokens = own[:, :1] + other[:, :1]
    length = np.divide(own[:, :1] - other[:, :1], tokens, out=np.zeros_like(tokens), where=tokens > 0)
    p, q = own[:, 1:] / (own[:, :1] + 1.0), other[:, 1:] / (other[:, :1] + 1.0)
    return np.hstack([length, (p - q) / (p + q + 1.0)])


DIFFERENCES = {"v0.1": ratio_differences, "v2.0": density_differences}


def style_differences(version: str, answers: Sequence[str], baselines: Sequence[str]) -> Floats:
    """[n, 4] differences of style, model minus baseline, in the version's form."""
    own, other = (np.array([style_of(text) for text in texts]) for texts in (answers, baselines))
    return DIFFERENCES[version](own, other)


def scaled(differences: Floats, weight: Floats, centre: Centre) -> Floats:
    """Columns over their standard deviation among battles, ``weight`` battles a row; a constant column becomes 0.

    ``pool`` subtracts the mean over battles first.
    """
    mean = np.average(differences, axis=0, weights=weight)
    deviation = np.sqrt(np.average((differences - mean) ** 2, axis=0, weights=weight))
    shifted = differences - mean if centre == "pool" else differences
    return np.divide(shifted, deviation, out=np.zeros_like(shifted), where=deviation > 1e-12)


def style_controlled_score(
    version: str, games: pd.DataFrame, differences: Floats, control: Control, centre: Centre, rounds: int, seed: int
) -> tuple[Score, dict[str, float]]:
    """Style-controlled win rate of the valid ``games``, and the coefficient of each style column.

    ``differences`` [games, 4] as of ``style_differences``. v0.1: the fit and 95 % of bootstraps; v2.0: the median of
    the bootstraps and 90 % of them.
    """
    chosen = list(COLUMNS[control])
    fought = battles(games, scaled(differences[:, chosen], games["weight"].to_numpy(np.float64), centre))
    found = fit(fought, BASELINE, penalty=PENALTY[version])
    elos = bootstrap(fought, BASELINE, rounds, seed, penalty=PENALTY[version])[MODEL]
    ends = (2.5, 50, 97.5) if version == "v0.1" else (5, 50, 95)
    low, middle, high = (win_probability(float(elo), ANCHOR_RATING) for elo in np.percentile(elos, ends))
    value = win_probability(found.ratings[MODEL], ANCHOR_RATING) if version == "v0.1" else middle
    names = [Style._fields[column] for column in chosen]
    return Score(value, low, high), dict(zip(names, map(float, found.style), strict=True))
