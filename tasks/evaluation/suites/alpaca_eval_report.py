"""AlpacaEval's numbers from the preferences: win rates, length-controlled win rate, and what to know about them."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.length_control import Values, changes_much
from tasks.evaluation.suites.alpaca_eval_annotating import Annotated, Annotations
from tasks.evaluation.suites.alpaca_eval_controls import Controlled, Controls, control
from tasks.evaluation.suites.alpaca_eval_data import SUITE, LengthControl
from tasks.evaluation.suites.answering import mean_aggregate, score_frame
from tasks.evaluation.suites.suite import Aggregate, Evaluated

DRAW = 0.5
FORMS = {
    "full": "length_controlled_v1: mean predicted preference at equal length; the standard error is AlpacaEval's, of "
    "the predictions without the noise of the coefficients; the 95 % interval, by the delta method, holds that too",
    "noreg": "length_controlled_noreg: as length_controlled_v1, without the gamed baselines' rows",
    "minimal": "logistic fit of the preference on tanh(length difference), with an L2 penalty (C = 1), and an "
    "intercept, without one; percentile bootstrap over prompts, 1000 resamples",
}


def report(annotations: Annotations, controls: Controls, wanted: LengthControl) -> Evaluated:
    """The report on one model; ``wanted`` is the length control asked for, ``controls`` the one that the prompts
    allow. Raises UserError if no comparison has a preference."""
    rows = annotations.rows
    known = [row for row in rows if math.isfinite(row.preference)]
    if not known:
        raise UserError(
            f"{SUITE}: none of {len(rows)} comparisons has a preference; the judge has to give the log-probabilities "
            "of its first token"
        )
    controlled = control(rows, controls)
    aggregates = [
        controlled_aggregate(controlled, controls, len(known)),
        win_rate_aggregate(known),
        *by_dataset(known),
        discrete_aggregate(known),
        length_aggregate(annotations.lengths),
        *coefficient_aggregates(controlled, controls.form, len(known)),
        Aggregate("missing_annotations", float(len(rows) - len(known)), n=len(rows), method="count"),
    ]
    notes = [*annotations.notes, *fit_notes(rows, known, controls, wanted), *change_note(*aggregates[:2])]
    return Evaluated(scores(rows, known), aggregates, samples(rows, controlled), notes)


def preferences(rows: Sequence[Annotated]) -> list[float]:
    """P(model better) of each row."""
    return [row.preference for row in rows]


def scores(rows: Sequence[Annotated], known: Sequence[Annotated]) -> pd.DataFrame:
    """One row a prompt and metric; prompts without a preference have no win_rate.

    There is no lc_win_rate of a prompt: predictions come from one fit to all of them and have next to no noise of their
    own, so that whoever averaged them would find an interval several times too narrow. They are among the samples.
    """
    return score_frame(
        {
            "win_rate": {row.prompt_id: row.preference for row in known},
            "response_characters": {row.prompt_id: float(len(row.response)) for row in rows},
        }
    )


def win_rate_aggregate(known: Sequence[Annotated], group: str = "") -> Aggregate:
    """Mean preference; its standard error is AlpacaEval's."""
    return mean_aggregate("win_rate", preferences(known), group, "mean preference over prompts")


def by_dataset(known: Sequence[Annotated]) -> list[Aggregate]:
    """The win rate on each source of instructions, where the file names more than one."""
    sources = sorted({row.dataset for row in known if row.dataset})
    grouped = [(source, [row for row in known if row.dataset == source]) for source in sources]
    return [win_rate_aggregate(part, source) for source, part in grouped] if len(sources) > 1 else []


def discrete_aggregate(known: Sequence[Annotated]) -> Aggregate:
    """(wins + draws / 2) / n: each preference rounded, except that exactly 0.5 is a draw."""
    return mean_aggregate("discrete_win_rate", rounded(preferences(known)).tolist(), method="wins + draws / 2")


def rounded(found: Sequence[float]) -> Values:
    """Wins as 1, draws as 0.5, losses as 0."""
    values = np.asarray(found, dtype=np.float64)
    return np.where(values == DRAW, DRAW, (values > DRAW).astype(np.float64))


def length_aggregate(lengths: Sequence[int]) -> Aggregate:
    """Integer part of the mean length of the model's outputs."""
    return Aggregate("avg_length", float(int(np.mean(lengths))), n=len(lengths), method="integer part of the mean")


def controlled_aggregate(controlled: Controlled, controls: Controls, known: int) -> Aggregate:
    """The length-controlled win rate."""
    method = FORMS[controls.form]
    if controls.form != "minimal":
        method += f"; difficulty joined by {'row number' if controls.join == 'positional' else controls.join}"
    found, interval = controlled.found, controlled.interval
    if interval is None:
        return Aggregate("lc_win_rate", found.win_rate, n=known, method="the baseline's own outputs, by definition")
    return Aggregate("lc_win_rate", found.win_rate, interval.standard_error, interval.low, interval.high, known, method)


def coefficient_aggregates(controlled: Controlled, form: LengthControl, known: int) -> list[Aggregate]:
    """What was fitted, as the official file of weights has it."""
    fitted = controlled.found.coefficients
    named = {"lc_length": fitted.length, "lc_difficulty": fitted.difficulty, "lc_intercept": fitted.intercept}
    if form == "minimal":
        del named["lc_difficulty"]
    return [Aggregate(name, value, n=known, method=f"coefficient, {form}") for name, value in named.items()]


def samples(rows: Sequence[Annotated], controlled: Controlled) -> pd.DataFrame:
    """One row a prompt for a person to read."""
    return pd.DataFrame(
        {
            "prompt_id": [row.prompt_id for row in rows],
            "instruction": [row.instruction for row in rows],
            "response": [row.response for row in rows],
            "baseline": [row.baseline for row in rows],
            "preference": preferences(rows),
            "lc_prediction": controlled.found.predictions,
            "dataset": [row.dataset for row in rows],
        }
    )


def fit_notes(
    rows: Sequence[Annotated], known: Sequence[Annotated], controls: Controls, wanted: LengthControl
) -> list[str]:
    """What a reader must know of the rows and of the form of the fit."""
    found = []
    if missing := len(rows) - len(known):
        found.append(
            f"{missing} of {len(rows)} comparisons have no preference: left out of the win rate and of the fit, while "
            "the length-controlled win rate predicts them too"
        )
    if controls.form != wanted:
        found.append(
            f"length control '{controls.form}' and not '{wanted}': that one holds for all 805 instructions against "
            "gpt4_1106_preview alone"
        )
    shifted = any(int(row.prompt_id) != row.number for row in rows)
    if shifted and controls.join == "positional" and controls.form != "minimal":
        found.append("difficulty joined by row number, as on the leaderboard: rows after a missing one have another's")
    return found


def change_note(controlled: Aggregate, plain: Aggregate) -> list[str]:
    """AlpacaEval's warning, where it applies."""
    if not changes_much(plain.value, controlled.value):
        return []
    return [
        f"the length-controlled win rate ({controlled.value:.1%}) is far from the plain one ({plain.value:.1%}): the "
        "fit may have failed, or the outputs may be made to please the judge; read samples"
    ]
