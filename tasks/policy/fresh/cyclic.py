"""A judge whose preferences go in a circle, so that no reward explains them.

Openers beat each other as in rock-paper-scissors, and better content beats worse: the setting that INPO (arXiv
2407.00617) is made for, in the tiny world's family instruct.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from tasks.data.tiny_world import score
from tasks.data.tiny_world.instruct import NAME, OPENERS
from tasks.engine.refs import RewardRef
from tasks.engine.schema import UserError
from tasks.models.generation import SampleRow
from tasks.policy.fresh.choices import Floats
from tasks.policy.fresh.judging import Answered, Verdict, win_rates
from tasks.policy.fresh.labellers import CyclicLabels

STYLES = ("plain", *OPENERS)
"""Each beats the next one, the last one beats the first."""
OPENER_REWARD = 0.15
"""What the gold reward gives for an opener: taken off again, since openers are judged in a circle here."""


class CyclicJudge:
    """By styles and content: P(a beats b) = sigma(c logit(advantage) + weight (q_a - q_b)), c in {-1, 0, 1}."""

    def __init__(self, labeller: CyclicLabels, fitted: Sequence[RewardRef]) -> None:
        if fitted:
            raise UserError(f"labeller cyclic is a program and reads no model, {len(fitted)} fitted models were given")
        self._labeller = labeller

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        """A verdict a prompt, whose rewards are win rates. Raises UserError for prompts of another family."""
        rows = [row for one in prompts for row in one.responses]
        shape = (len(prompts), -1)
        groups = zip(styles_of(rows).reshape(shape), content_of(rows).reshape(shape), strict=True)
        found = [cyclic_wins(styles, content, self._labeller) for styles, content in groups]
        return [Verdict(wins, win_rates(wins)) for wins in found]


def styles_of(rows: Sequence[SampleRow]) -> npt.NDArray[np.int64]:
    """[rows] places in ``STYLES``. Raises UserError for a prompt of another family than instruct."""
    foreign = {row["family"] for row in rows} - {NAME}
    if foreign:
        raise UserError(f"cyclic preferences are of family {NAME} alone, not {', '.join(foreign)}; set world.family")
    return np.array([style_of(row["response"]) for row in rows])


def style_of(response: str) -> int:
    """The place in ``STYLES`` of the opener that a response begins with."""
    text = " ".join(response.split())
    return next((place for place, opener in enumerate(OPENERS, start=1) if text.startswith(opener)), 0)


def content_of(rows: Sequence[SampleRow]) -> Floats:
    """[rows] gold rewards without what an opener brings."""
    golds = score(rows, [row["response"] for row in rows], [row["finished"] for row in rows])
    return np.array([gold.reward - OPENER_REWARD * gold.parts["opener"] for gold in golds])


def cyclic_wins(styles: npt.NDArray[np.int64], content: Floats, labels: CyclicLabels) -> Floats:
    """[k, k] probabilities that the row's response beats the column's, of [k] styles and [k] content."""
    steps = (styles[None, :] - styles[:, None]) % len(STYLES)
    circle = np.where(steps == 1, 1.0, np.where(steps == 2, -1.0, 0.0))
    difference = content[:, None] - content[None, :]
    wins: Floats = expit(circle * logit(labels.advantage) + labels.content_weight * difference)
    return wins
