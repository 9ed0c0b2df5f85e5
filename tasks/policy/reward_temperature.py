"""How sharp BRAIn's posterior is: the temperature of the rewards, chosen by the effective size of its samples."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from tasks.engine.refs import Rewards
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.policy.objectives.brain import BRAIn
from tasks.reward.scoring import read_rewards

COLDEST, HOTTEST = 1e-4, 1e4
"""The bounds of ``BRAIn.reward_temperature``."""
HALVINGS = 60
Floats = npt.NDArray[np.float64]


def tune_reward_temperature(objective: BRAIn, rewards: Rewards, share: float) -> BRAIn:
    """``objective`` at the beta_r at which the posterior's weights have ``share`` of the samples as effective size.

    ``rewards`` are of n responses a prompt that the prior sampled: with q' = p the weights are softmax(r / beta_r), and
    their mean effective size 1 / sum ahat^2 rises with beta_r from 1 (more, where the best responses tie) to n. Logs
    the temperature and the effective size at it. Raises UserError if prompts differ in their number of responses, or
    have one alone.
    """
    table = grouped(read_rewards(rewards))
    temperature = temperature_at(table, share)
    current_tracker().metrics(
        {
            "posterior/reward_temperature": temperature,
            "posterior/effective_samples": effective_samples(table, temperature),
        },
        0,
    )
    return objective.model_copy(update={"reward_temperature": temperature})


def grouped(table: Any) -> Floats:
    """[prompts, n] rewards of a table with the columns prompt_id and reward. Raises UserError for unequal groups."""
    groups = [group["reward"].to_numpy(dtype=np.float64) for _, group in table.groupby("prompt_id", sort=True)]
    sizes = {len(group) for group in groups}
    if len(sizes) != 1 or sizes == {1}:
        raise UserError(
            f"beta_r is chosen on equally many responses a prompt, two or more; these hold {min(sizes)} to {max(sizes)}"
        )
    return np.stack(groups)


def effective_samples(rewards: Floats, temperature: float) -> float:
    """Mean over prompts of 1 / sum ahat^2, ahat = softmax(r / temperature); ``rewards`` [prompts, n], in [1, n]."""
    weights = softmax(rewards / temperature, axis=1)
    return float((1.0 / np.square(weights).sum(axis=1)).mean())


def temperature_at(rewards: Floats, share: float) -> float:
    """The temperature at which the effective size is ``share`` x n, or the nearest bound if ties make it larger."""
    wanted = share * rewards.shape[1]
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if effective_samples(rewards, float(np.exp(middle))) < wanted:
            low = middle
        else:
            high = middle
    return float(np.clip(np.exp(high), COLDEST, HOTTEST))
