"""How well rewards tell true scores among the responses that a filter keeps: PF-PPO's R^2 (arXiv 2409.06957).

Section 4 of the paper: kept responses of similar reward are put into bins, and the bins' mean true scores are fitted by
a line through their mean rewards. Bins are ours to choose: of equal width over the range of all rewards, the same for
every filter, each counting as many times as it has responses; few responses a bin lower R^2 by themselves, so a filter
is fairly compared with a random subset of as many. The draw of the filter is repeated and R^2 averaged.

Errors that are systematic in the middle of the rewards' range make filters of the extremes look better, as the paper
found. Large errors without a trend need not: they put mediocre responses among the highest and lowest rewards too.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from pydantic import Field

from tasks.data.tables import store_scores
from tasks.engine.refs import Rewards, Scores
from tasks.engine.schema import Frozen, UserError
from tasks.engine.tracking import current_tracker
from tasks.policy.steps.filters import Filter
from tasks.reward.scoring import read_rewards

Values = np.ndarray
FEWEST_BINS = 3
"""Through two points there is always a line."""


class Binning(Frozen):
    """How R^2 of a filter is estimated."""

    bins: int = Field(20, ge=FEWEST_BINS, le=1000, description="Bins of equal width over the range of the rewards")
    draws: int = Field(10, ge=1, le=1000, description="Times that the filter is drawn; R^2 is averaged (paper 10)")


class Reliability(NamedTuple):
    """What one filter comes to; ``r2`` and ``pseudo_values`` are NaN where it leaves fewer than three bins."""

    r2: float
    """Mean over draws, in [0, 1]."""
    pseudo_values: Values
    """[prompts]: jackknife pseudo-values of ``r2``. Their mean estimates it with less bias, their spread over the root
    of their number is its standard error over prompts, and differences of two filters pair by prompt."""
    kept: Values
    """[prompts]: mean share of a prompt's responses that are kept; above 1 only for filters that repeat."""
    bins: pd.DataFrame
    """Columns reward, gold (means over a bin's kept responses) and responses (a draw)."""


def measure_filter_reliability(
    rewards: Rewards, filters: Mapping[str, Filter], seed: int, binning: Binning = Binning()
) -> Scores:
    """R^2 between reward and gold reward under every filter of ``filters``, by name.

    ``rewards`` hold equally many responses a prompt with ``reward`` and ``gold_reward`` (the paper: 10 from pi_SFT).
    Every seed has prompts of its own, so they are numbered: filters are paired prompt by prompt within a seed.
    Metrics: ``filter_r2`` (jackknife pseudo-values, one a prompt: single ones may leave [0, 1], their mean is R^2) and
    ``filter_kept``; the point is the filter's name. A filter that leaves fewer than three bins has no R^2 and
    no rows of it.

    Raises:
        UserError: gold rewards are missing, prompts differ in their number of responses, or all rewards are equal.
    """
    proxy, gold = by_prompt(read_rewards(rewards))
    prompts = [f"prompt-{number:06d}" for number in range(len(proxy))]
    tracker = current_tracker()
    frames, tables = [], []
    for done, (name, chosen) in enumerate(filters.items(), start=1):
        found = filter_reliability(proxy, gold, chosen, binning, seed)
        metrics = {"filter_r2": found.pseudo_values, "filter_kept": found.kept}
        table = pd.DataFrame({"prompt_id": prompts, **metrics}).melt("prompt_id", var_name="metric", value_name="value")
        frames.append(table.dropna().assign(point=name))
        tables.append(found.bins.assign(filter=name, r2=found.r2))
        tracker.progress(done, len(filters), "filters")
    tracker.table("filter_reliability.json", pd.concat(tables, ignore_index=True))
    return store_scores(pd.concat(frames, ignore_index=True))


def by_prompt(table: pd.DataFrame) -> tuple[Values, Values]:
    """Rewards and gold rewards [prompts, responses] of all prompts in sorted order.

    Raises UserError as ``measure_filter_reliability``.
    """
    missing = int(table["gold_reward"].isna().sum())
    if missing or not len(table):
        raise UserError(
            f"{missing} of {len(table)} responses have no gold reward; "
            "R^2 of a filter needs a world whose true reward is known"
        )
    sizes = table.groupby("prompt_id").size()
    if sizes.nunique() != 1:
        raise UserError(
            f"R^2 of a filter wants equally many responses a prompt, these are {sizes.min()} to {sizes.max()}; "
            "draw the same number for every prompt, and no prompt twice"
        )
    ordered = table.sort_values(["prompt_id", "sample"], kind="stable")
    shape = (len(sizes), int(sizes.iloc[0]))
    proxy, gold = (ordered[name].to_numpy(dtype=np.float64).reshape(shape) for name in ("reward", "gold_reward"))
    return proxy, gold


def filter_reliability(
    rewards: Values, gold: Values, chosen: Filter, binning: Binning = Binning(), seed: int = 0
) -> Reliability:
    """R^2 of ``gold`` on ``rewards`` (both [prompts, responses] float64) among the responses that ``chosen`` keeps.

    Filters that look at the whole iteration see all the prompts as one. Raises UserError if all rewards are equal.
    """
    place = bin_places(rewards, binning.bins)
    prompts, responses = rewards.shape
    prompt = np.repeat(np.arange(prompts), responses)
    cell = prompt * binning.bins + place.ravel()
    rng = np.random.default_rng(seed)
    scores, groups = torch.tensor(rewards.ravel()), torch.from_numpy(prompt)
    columns = np.stack([np.ones(rewards.size), rewards.ravel(), gold.ravel()])
    sums = np.zeros((binning.draws, 3, prompts, binning.bins))
    for draw in sums:
        rows = chosen.keep(scores, groups, rng).numpy()
        for part, values in enumerate(columns):
            draw[part] = np.bincount(cell[rows], values[rows], minlength=draw[part].size).reshape(draw[part].shape)
    r2, pseudo_values = jackknife(sums)
    kept = sums[:, 0].sum(axis=2).mean(axis=0) / responses
    return Reliability(r2, pseudo_values, kept, bin_table(sums.sum(axis=2).mean(axis=0)))


def bin_places(rewards: Values, bins: int) -> Values:
    """The bin of every reward, in [0, bins). Raises UserError if all rewards are equal."""
    lowest, highest = float(rewards.min()), float(rewards.max())
    if lowest == highest:
        raise UserError(f"every response has the reward {lowest:g}, so no filter can rank them; check the reward")
    return np.minimum(((rewards - lowest) / (highest - lowest) * bins).astype(np.int64), bins - 1)


def jackknife(sums: Values) -> tuple[float, Values]:
    """R^2 averaged over draws, and its pseudo-values [prompts], from sums [draws, 3, prompts, bins].

    The three are responses, rewards and true scores. A pseudo-value is n R^2 - (n - 1) R^2 without that prompt
    (Quenouille, Tukey). Draws without an R^2 are left out; a prompt without which there is none counts as R^2.
    """
    found = []
    prompts = sums.shape[2]
    for draw in sums:
        total = draw.sum(axis=1)
        whole = float(r2_of_sums(*total))
        without = r2_of_sums(*(total[:, None, :] - draw))
        without = np.where(np.isnan(without), whole, without)
        found.append((whole, prompts * whole - (prompts - 1) * without))
    usable = [one for one in found if not np.isnan(one[0])]
    if not usable:
        return float("nan"), np.full(prompts, np.nan)
    return float(np.mean([whole for whole, _ in usable])), np.mean([values for _, values in usable], axis=0)


def r2_of_sums(responses: Values, rewards: Values, gold: Values) -> Values:
    """R^2 from sums [..., bins] over each bin's responses; bins with less than half a response are empty."""
    filled = responses > 0.5
    count = np.where(filled, responses, 1.0)
    return weighted_r2(rewards / count, gold / count, np.where(filled, responses, 0.0))


def weighted_r2(rewards: ArrayLike, gold: ArrayLike, weights: ArrayLike) -> Values:
    """R^2 = 1 - SS_res / SS_tot of the weighted least-squares line gold = a + b reward.

    All [..., bins]; the result [...] lies in [0, 1]. NaN where fewer than three bins have weight, or the rewards or the
    true scores of those do not differ.
    """
    x, y, mass = (np.asarray(values, dtype=np.float64) for values in (rewards, gold, weights))
    total = np.maximum(mass.sum(axis=-1, keepdims=True), 1e-300)
    off_x = np.where(mass > 0.0, x - (mass * x).sum(axis=-1, keepdims=True) / total, 0.0)
    off_y = np.where(mass > 0.0, y - (mass * y).sum(axis=-1, keepdims=True) / total, 0.0)
    both, only_x, only_y = ((mass * product).sum(axis=-1) for product in (off_x * off_y, off_x**2, off_y**2))
    defined = ((mass > 0.0).sum(axis=-1) >= FEWEST_BINS) & (only_x > 1e-24) & (only_y > 1e-24)
    explained = both**2 / np.where(defined, only_x * only_y, 1.0)
    return np.where(defined, np.minimum(explained, 1.0), np.nan)


def bin_table(sums: Values) -> pd.DataFrame:
    """Means of the filled bins from sums [3, bins]: reward, gold, responses."""
    responses, rewards, gold = sums[:, sums[0] > 0.0]
    return pd.DataFrame({"reward": rewards / responses, "gold": gold / responses, "responses": responses})
