"""Preference labels from the Bradley-Terry model, drawn from any reward that scores the answers.

P(a preferred to b) = sigmoid((r_a - r_b) / temperature) (Bradley and Terry, 1952), then each label is turned
round with a given probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tasks.data.rows import PairRow, PromptRow
from tasks.engine.schema import UserError

Floats = npt.NDArray[np.float64]


def label(
    gold_a: npt.ArrayLike,
    gold_b: npt.ArrayLike,
    temperature: float,
    flip_probability: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Draw whether ``a`` is preferred.

    Args:
        gold_a: rewards of the first answers, any shape.
        gold_b: rewards of the second answers, the same shape.
        temperature: in units of reward; 0 prefers the higher reward always and tosses a coin on ties.
        flip_probability: in [0, 1], of turning a label round.
        rng: the only source of chance.

    Raises:
        UserError: a temperature below 0 or a probability outside [0, 1].
    """
    if temperature < 0 or not 0 <= flip_probability <= 1:
        raise UserError(
            f"preference labels: temperature {temperature} must be 0 or more and "
            f"flip_probability {flip_probability} within 0 and 1."
        )
    difference = np.asarray(gold_a, dtype=np.float64) - np.asarray(gold_b, dtype=np.float64)
    preferred = expit(difference / temperature) if temperature else (np.sign(difference) + 1) / 2
    flipped = rng.random(difference.shape) < flip_probability
    return (rng.random(difference.shape) < preferred) != flipped


@dataclass(frozen=True)
class Answer:
    """One sampled answer."""

    response: str
    reward: float
    """What the label is drawn from: the gold reward, or a biased judge's."""
    gold: float
    """The gold reward, kept in the pair for measurement."""


@dataclass(frozen=True)
class LabelledPairs:
    """Labelled pairs, and how many were left out because both answers were the same."""

    rows: list[PairRow]
    identical: int


def _generator(prompt_id: str, responses: Sequence[str], seed: int) -> np.random.Generator:
    digest = sha256("\x1f".join((str(seed), prompt_id, *responses)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _pair(prompt: PromptRow, chosen: Answer, rejected: Answer) -> PairRow:
    return PairRow(
        prompt_id=prompt["prompt_id"],
        prompt=prompt["prompt"],
        family=prompt["family"],
        chosen=chosen.response,
        rejected=rejected.response,
        chosen_gold=chosen.gold,
        rejected_gold=rejected.gold,
    )


def preference_pairs(
    prompts: Sequence[PromptRow],
    answers: Sequence[tuple[Answer, Answer]],
    temperature: float,
    noise: float,
    seed: int,
) -> LabelledPairs:
    """Label two answers a prompt; pairs of identical answers are left out and counted.

    A label depends on the seed, the prompt's id and the two answers alone: neither the order of the rows nor
    which answer comes first changes it. ``noise`` is the probability of a flipped label; ``temperature`` is
    that of :func:`label`.
    """
    rows: list[PairRow] = []
    for prompt, pair in zip(prompts, answers, strict=True):
        a, b = sorted(pair, key=lambda answer: answer.response)
        if a.response == b.response:
            continue
        rng = _generator(prompt["prompt_id"], (a.response, b.response), seed)
        prefers_a = bool(label(a.reward, b.reward, temperature, noise, rng))
        rows.append(_pair(prompt, a, b) if prefers_a else _pair(prompt, b, a))
    return LabelledPairs(rows, identical=len(answers) - len(rows))
