"""How alike the members of an ensemble are: aggregates can only help where members err differently."""

import numpy as np
import pandas as pd

from tasks.data.tables import store_scores
from tasks.engine.refs import Rewards, Scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.best_of_n_sweep import members_of
from tasks.evaluation.scores import FINAL
from tasks.evaluation.statistics.noise import Values
from tasks.reward.scoring import read_rewards


def measure_agreement(rewards: Rewards) -> Scores:
    """``member_correlation`` of every prompt: Pearson's, among its samples, mean over the pairs of members.

    Prompts where a member gives all samples one reward are left out. Logged beside their mean: the correlation over
    all samples at once, its mean over pairs of members and the extreme pairs; near 1 the ensemble is one model.

    Raises:
        UserError: there are fewer than two members.
    """
    table = read_rewards(rewards)
    names = members_of(table)
    if len(names) < 2:
        raise UserError("agreement is between members, and these rewards are of one; score with an ensemble")
    by_prompt = {
        str(prompt): float(pairwise_correlations(group[names].to_numpy(np.float64)).mean())
        for prompt, group in table.groupby("prompt_id")
    }
    within = pd.Series(by_prompt, dtype="float64").dropna()
    pooled = pairwise_correlations(table[names].to_numpy(np.float64))
    logged = {
        "member_correlation": within.mean(),
        "member_correlation_pooled": pooled.mean(),
        "member_correlation_lowest": pooled.min(),
        "member_correlation_highest": pooled.max(),
    }
    current_tracker().metrics({f"eval/{name}": float(value) for name, value in logged.items() if np.isfinite(value)}, 0)
    scores = within.rename_axis("prompt_id").reset_index(name="value")
    return store_scores(scores.assign(metric="member_correlation", point=FINAL))


def pairwise_correlations(scores: Values) -> Values:
    """Pearson correlations of all pairs of columns of ``scores`` [rows, members]: [pairs]; NaN for a constant one."""
    centred = scores - scores.mean(axis=0)
    norms = np.sqrt(np.square(centred).sum(axis=0))
    norms = np.where(norms > 0.0, norms, np.nan)
    correlations = np.clip(centred.T @ centred / np.outer(norms, norms), -1.0, 1.0)
    found: Values = correlations[np.triu_indices(scores.shape[1], k=1)]
    return found
