"""How a reward function ranks held-out pairs: accuracy with intervals, agreement with gold, calibration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import DatasetRef, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.calibration import expected_calibration_error, reliability_bins
from tasks.evaluation.statistics.wilson import wilson_interval
from tasks.models.config import ModelConfig
from tasks.reward.function import Judged, RewardSource, open_reward_function
from tasks.reward.storing import read_card

BINS = 10
QUARTILES = ("smallest", "second", "third", "largest")


def report_reward(
    pairs: DatasetRef, source: RewardSource, fitted: Sequence[RewardRef], model: ModelConfig
) -> dict[str, float]:
    """Score both responses of ``pairs`` and record how well the order of the scores is the labels'.

    Logs metrics ``held_out/...``, and the tables ``reward_report.json`` (accuracy with Wilson's 95 % interval overall,
    by family and by quartile of the gold difference) and ``reward_reliability.json``. Calibration is of
    P(chosen wins) = sigma(score difference), so it wants scores that are not standardised.

    Returns the metrics, without the prefix. Raises UserError if there are no pairs.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "evaluation")
    table = scored_pairs(read_rows_of(pairs, PairRow), source, fitted, model)
    found = metrics_of(table)
    tracker.metrics({f"held_out/{name}": value for name, value in found.items()}, 0)
    tracker.table("reward_report.json", accuracy_table(table))
    tracker.table("reward_reliability.json", reliability_table(table))
    return found


def scored_pairs(
    rows: Sequence[PairRow], source: RewardSource, fitted: Sequence[RewardRef], model: ModelConfig
) -> pd.DataFrame:
    """A row a pair: family, chosen and rejected score (higher is better, costs negated), and both gold rewards."""
    if not rows:
        raise UserError("no pairs to report on; give at least one")
    texts = [Judged(row, text, True) for row in rows for text in (row["chosen"], row["rejected"])]
    scores = np.array(open_reward_function(source, fitted, model).score(texts)["reward"]).reshape(-1, 2)
    costs = bool(fitted) and not read_card(fitted[0]).higher_is_better
    scores = -scores if costs else scores
    return pd.DataFrame(
        {
            "family": [row["family"] for row in rows],
            "chosen": scores[:, 0],
            "rejected": scores[:, 1],
            "chosen_gold": [_number(row.get("chosen_gold")) for row in rows],
            "rejected_gold": [_number(row.get("rejected_gold")) for row in rows],
        }
    )


def metrics_of(table: pd.DataFrame) -> dict[str, float]:
    """Accuracy, margin and calibration error; where gold is known, agreement and rank correlation with it."""
    margin = (table["chosen"] - table["rejected"]).to_numpy()
    found = {
        "reward_accuracy": float(right(margin).mean()),
        "reward_margin": float(margin.mean()),
        "reward_calibration_error": expected_calibration_error(*confidence(margin), BINS),
    }
    known = table.dropna(subset=["chosen_gold", "rejected_gold"])
    if known.empty:
        return found
    gold = (known["chosen_gold"] - known["rejected_gold"]).to_numpy()
    unequal = known[gold != 0.0]
    if len(unequal):
        agreement = np.sign(gold[gold != 0.0]) * (unequal["chosen"] - unequal["rejected"]).to_numpy()
        found["reward_gold_accuracy"] = float(right(agreement).mean())
    scores = known[["chosen", "rejected"]].to_numpy().ravel()
    golds = known[["chosen_gold", "rejected_gold"]].to_numpy().ravel()
    return found | {"reward_gold_correlation": rank_correlation(scores, golds)}


def accuracy_table(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Accuracy on slices of the pairs: slice, pairs, accuracy, low, high (Wilson), mean margin."""
    slices = {"all": table} | {f"family {name}": part for name, part in table.groupby("family")}
    known = table.dropna(subset=["chosen_gold", "rejected_gold"])
    if len(known) >= len(QUARTILES):
        difference = (known["chosen_gold"] - known["rejected_gold"]).abs()
        place = (difference.rank(method="average", pct=True) * len(QUARTILES)).apply(np.ceil)
        for number, name in enumerate(QUARTILES, start=1):
            slices |= {f"gold difference: {name}": known[place == number]}
    slices = {name: part for name, part in slices.items() if len(part)}
    rows = []
    for name, part in slices.items():
        margin = (part["chosen"] - part["rejected"]).to_numpy()
        wins = float(right(margin).sum())
        low, high = wilson_interval(wins, len(part), level)
        rows.append((name, len(part), wins / len(part), low, high, float(margin.mean())))
    return pd.DataFrame(rows, columns=["slice", "pairs", "accuracy", "low", "high", "margin"])


def reliability_table(table: pd.DataFrame) -> pd.DataFrame:
    """Bins of confidence: low, high, pairs, mean confidence, accuracy."""
    bins = reliability_bins(*confidence((table["chosen"] - table["rejected"]).to_numpy()), BINS)
    rows = [(one.low, one.high, len(one.correct), np.mean(one.confidence), np.mean(one.correct)) for one in bins]
    return pd.DataFrame(rows, columns=["low", "high", "pairs", "confidence", "accuracy"])


def right(margin: np.ndarray) -> np.ndarray:
    """1 for a positive margin, 0 for a negative one, 0.5 for none."""
    return (np.sign(margin) + 1.0) / 2.0


def confidence(margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability sigma(|margin|) of the response with the higher score, and whether it is the chosen one.

    Of a tie neither is predicted: it counts with confidence 0.5 as right and wrong by turns.
    """
    correct = (margin > 0).astype(float)
    ties = np.flatnonzero(margin == 0)
    correct[ties[::2]] = 1.0
    return expit(np.abs(margin)), correct


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation with average ranks for ties, in [-1, 1]; 0 where one of them does not vary."""
    a, b = rankdata(first), rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale else 0.0


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
