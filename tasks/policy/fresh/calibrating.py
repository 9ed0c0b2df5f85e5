"""How certain a pairwise judge may be: the temperature of its log odds, fitted on pairs that it has not seen."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from torch import Tensor

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import DatasetRef, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.calibration import expected_calibration_error
from tasks.models.config import ModelConfig
from tasks.policy.fresh.labellers import PairwiseLabels
from tasks.reward.fitting import encode_pairs
from tasks.reward.objectives.pairwise_judge import win_probability
from tasks.reward.pairwise import HEAD, read_pairs
from tasks.reward.report import BINS
from tasks.reward.storing import open_reward

COLDEST, HOTTEST = 0.01, 100.0
"""The bounds of ``PairwiseLabels.temperature``."""


def calibrate_judge(
    labeller: PairwiseLabels, judge: RewardRef, pairs: DatasetRef, model: ModelConfig
) -> PairwiseLabels:
    """``labeller`` at the temperature that makes the labels of ``pairs`` likeliest (Guo et al. 2017, 1706.04599).

    Logs the temperature and, before and after, the calibration error on the same pairs. Raises UserError if ``judge``
    is no pairwise judge.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "calibration")
    logits = judged_logits(judge, read_rows_of(pairs, PairRow), model)
    temperature = likeliest_temperature(logits)
    tracker.metrics({"judge/temperature": temperature}, 0)
    for step, one in enumerate((labeller.temperature, temperature)):
        tracker.metrics({"held_out/reward_calibration_error": calibration_error(chances(logits, one))}, step)
    return labeller.model_copy(update={"temperature": temperature})


def judged_logits(judge: RewardRef, rows: Sequence[PairRow], model: ModelConfig) -> Tensor:
    """[pairs, 2] z(chosen, rejected) and z(rejected, chosen). Raises UserError if ``judge`` is no pairwise judge."""
    opened = open_reward(judge, model)
    if opened.card.heads != [HEAD]:
        raise UserError("calibration wants a judge that fit_pairwise made; a reward model compares nothing")
    return read_pairs(opened.network, encode_pairs(opened.tokenizer, rows)).double()


def chances(logits: Tensor, temperature: float) -> npt.NDArray[np.float64]:
    """[pairs] P(chosen beats rejected) as the labeller takes it; ``logits`` as of ``judged_logits``."""
    found: npt.NDArray[np.float64] = win_probability(*(logits / temperature).unbind(1)).numpy()
    return found


def likeliest_temperature(logits: Tensor) -> float:
    """The temperature within the labeller's bounds at which mean -log P(chosen beats rejected) is least."""

    def surprise(log_temperature: float) -> float:
        return float(-np.log(np.maximum(chances(logits, float(np.exp(log_temperature))), 1e-12)).mean())

    places = np.linspace(np.log(COLDEST), np.log(HOTTEST), 41)
    best = int(np.argmin([surprise(place) for place in places]))
    around = (places[max(0, best - 1)], places[min(len(places) - 1, best + 1)])
    found = minimize_scalar(surprise, bounds=around, method="bounded", options={"xatol": 1e-4})
    return float(np.clip(np.exp(found.x), COLDEST, HOTTEST))


def calibration_error(probabilities: npt.NDArray[np.float64]) -> float:
    """Expected calibration error of the likelier winner; ``probabilities`` [pairs] are of the one labelled chosen."""
    right = np.where(probabilities == 0.5, np.arange(len(probabilities)) % 2, probabilities > 0.5)
    return expected_calibration_error(np.maximum(probabilities, 1.0 - probabilities), right.astype(float), BINS)
