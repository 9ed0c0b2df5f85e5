"""Best-of-n for every n from one pool of samples: nothing is sampled or scored again for another n or aggregate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Rewards, Samples, Scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.best_of_n_settings import BestOfNSweep, Selector
from tasks.evaluation.statistics.best_of_n import best_of_n_curve, best_of_n_kl
from tasks.evaluation.statistics.noise import Values
from tasks.models.generation import SampleRow
from tasks.reward import ensembles
from tasks.reward.scoring import read_rewards

IDENTITY = ["prompt_id", "sample"]
MEMBER = "member_"
"""Columns of a reward table that hold an ensemble's members begin with this."""


class Pool(NamedTuple):
    """Samples of every prompt with their rewards."""

    prompt_ids: list[str]
    members: Values
    """[members, prompts, samples]"""
    measured: dict[str, Values]
    """Metric to [prompts, samples]: ``gold_reward`` where it is known, ``response_tokens``."""


def sweep_best_of_n(samples: Samples, rewards: list[Rewards], selector: Selector, sweep: BestOfNSweep) -> Scores:
    """Expected metrics of the best of n samples by ``selector``, for every n of ``sweep``: points ``n1``, ``n2`` ...

    ``samples`` hold equally many samples a prompt; ``rewards`` are those of the samples, one table a member or one
    with the columns ``member_0`` ... of an ensemble. The same two serve every selector.

    Metrics: ``gold_reward`` where it is known, ``proxy_reward`` (the selector's own), ``reward_variance`` (the members'
    disagreement about the chosen sample, where there are several), ``response_tokens`` and ``best_of_n_kl``; all but
    the last by the unbiased estimator of ``statistics.best_of_n``, gold being sorted by the proxy.

    Raises:
        UserError: prompts differ in their number of samples, a sample has no reward, or n is larger than the pool.
    """
    pool = read_pool(samples, rewards)
    metrics = sweep_pool(pool, selector, sweep)
    tracker = current_tracker()
    frames = []
    for column, count in enumerate(sweep.counts):
        values = {name: found[:, column] for name, found in metrics.items()}
        tracker.metrics({f"eval/{name}": float(one.mean()) for name, one in values.items()}, count)
        table = pd.DataFrame({"prompt_id": pool.prompt_ids, **values})
        frames.append(table.melt("prompt_id", var_name="metric", value_name="value").assign(point=f"n{count}"))
    return store_scores(pd.concat(frames, ignore_index=True))


def read_pool(samples: Samples, rewards: Sequence[Rewards]) -> Pool:
    """The pool that ``samples`` and ``rewards`` hold. Raises UserError as ``sweep_best_of_n``."""
    if not rewards:
        raise UserError("best-of-n wants the rewards of its samples, at least one table")
    rows = read_rows_of(samples, SampleRow)
    identity = pd.DataFrame([(row["prompt_id"], row["sample"]) for row in rows], columns=IDENTITY)
    tables = [read_rewards(one) for one in rewards]
    for number, table in enumerate(tables):
        if not table[IDENTITY].reset_index(drop=True).equals(identity):
            raise UserError(f"rewards {number} are not those of these samples, row by row; score these samples")
    sizes = identity.groupby("prompt_id", sort=False).size()
    if sizes.nunique() != 1:
        raise UserError(
            f"best-of-n wants equally many samples a prompt, these hold {sizes.min()} to {sizes.max()}; "
            "draw the same number for every prompt, and no prompt twice"
        )
    measured = {"response_tokens": np.array([float(len(row["ids"])) for row in rows])}
    if tables[0]["gold_reward"].notna().all():
        measured["gold_reward"] = tables[0]["gold_reward"].to_numpy(dtype=np.float64)
    members = np.stack([table[name].to_numpy(dtype=np.float64) for table in tables for name in members_of(table)])
    order = identity.sort_values("prompt_id", kind="stable").index
    shape = (len(sizes), int(sizes.iloc[0]))
    return Pool(
        sorted(map(str, sizes.index)),
        members[:, order].reshape(-1, *shape),
        {name: values[order].reshape(shape) for name, values in measured.items()},
    )


def members_of(table: pd.DataFrame) -> list[str]:
    """The columns of a reward table that hold one reward model each: an ensemble's members, or the reward."""
    return [name for name in table.columns if str(name).startswith(MEMBER)] or ["reward"]


def sweep_pool(pool: Pool, selector: Selector, sweep: BestOfNSweep) -> dict[str, Values]:
    """Metric to its expectation at every prompt and n: [prompts, counts]."""
    members = pool.members[: selector.members or None]
    if selector.members > len(members):
        raise UserError(f"the pool has rewards of {len(members)} member(s), not {selector.members}; fit more of them")
    if sweep.standardise_members:
        members = np.stack([standardised(one) for one in members])
    measured = dict(pool.measured)
    if sweep.standardise_gold and "gold_reward" in measured:
        measured["gold_reward"] = standardised(measured["gold_reward"])
    if len(members) > 1:
        measured["reward_variance"] = members.var(axis=0)
    choosing = select(members, selector)
    found = {name: expected(choosing, values, sweep.counts) for name, values in measured.items()}
    own = np.mean([best_of_n_curve(one, one, sweep.counts) for one in choosing], axis=0)
    kl = np.broadcast_to(best_of_n_kl(sweep.counts), own.shape)
    return found | {"proxy_reward": own, "best_of_n_kl": kl}


def select(members: Values, selector: Selector) -> Values:
    """Proxy rewards to choose by, [selectors, prompts, samples]: one, or each of ``members`` [members, ...] alone."""
    if selector.kind == "single":
        return members
    rows = torch.from_numpy(members.reshape(len(members), -1))
    if selector.kind == "worst_case":
        chosen = ensembles.worst_case(rows)
    elif selector.kind == "uncertainty_weighted":
        chosen = ensembles.uncertainty_weighted(rows, selector.penalty)
    else:
        chosen = ensembles.mean(rows)
    return chosen.numpy().reshape(1, *members.shape[1:])


def expected(choosing: Values, values: Values, counts: Sequence[int]) -> Values:
    """``values`` [prompts, samples] of the best of n, the mean over ``choosing`` [selectors, prompts, samples]:
    [prompts, counts]."""
    return np.mean([best_of_n_curve(one, values, counts) for one in choosing], axis=0)


def standardised(values: Values) -> Values:
    """``values`` at mean 0 and variance 1 over everything; all 0 where they do not differ."""
    spread = float(values.std())
    return (values - values.mean()) / (spread if spread > 0.0 else 1.0)
