"""Which sampled responses the policy is trained on: PF-PPO (arXiv 2409.06957) and its comparisons.

Every member of ``Filter`` has two methods. ``keep(scores, groups, rng)`` takes ``scores`` [rows] and ``groups`` [rows]
int64 (responses to one prompt share a number, in any order) and returns the kept row indices [kept] int64, ascending;
they repeat only where ``repeats`` says so, and may be none (call ``keep_or_all`` in a training loop).
``weights(scores)`` takes the rewards of one prompt [N] and returns the filtered policy's probability of each [N]
float64: it sums to 1, or is all zero where the filter keeps nothing; equal rewards share theirs.
Kept samples are used as if the policy had drawn them: no importance weight, as in the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tasks.engine.schema import Frozen, UserError
from tasks.policy.steps.drawing import draw_by_inclusion, positions_by_group, ranked

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-6
Scheme = Literal["best_of_n", "best_random", "best_worst", "own"]


class KeepAll(Frozen):
    """No filter: PPO-M, every one of the N responses; draws nothing from ``rng``."""

    kind: Literal["keep_all"] = "keep_all"
    repeats: ClassVar[bool] = False
    one_sided: ClassVar[bool] = False

    def keep(self, scores: Tensor, groups: Tensor, rng: np.random.Generator) -> Tensor:
        """Every row, in order."""
        return indices(np.arange(len(scores)), scores)

    def weights(self, scores: Tensor) -> Tensor:
        """1 / N each."""
        return probabilities(np.ones(len(scores)), scores)


class RandomSubset(Frozen):
    """Some responses of every prompt at random: as many updates as a filtered arm, without the filter."""

    kind: Literal["random_subset"] = "random_subset"
    repeats: ClassVar[bool] = False
    one_sided: ClassVar[bool] = False

    keep_per_group: int = Field(
        2, ge=1, le=1000, description="Responses of a prompt that are kept (PF-PPO keeps 2 of 5)"
    )

    def keep(self, scores: Tensor, groups: Tensor, rng: np.random.Generator) -> Tensor:
        """``keep_per_group`` distinct rows of every group, or all of a smaller one."""
        members = positions_by_group(array_of(groups))
        kept = [rng.permutation(rows)[: self.keep_per_group] for rows in members]
        return indices(np.sort(np.concatenate(kept)), scores)

    def weights(self, scores: Tensor) -> Tensor:
        """1 / N each."""
        return probabilities(np.ones(len(scores)), scores)


class RankWeights(Frozen):
    """PF-PPO: responses of a prompt ranked by reward, rank i kept in proportion to w_i (section 4).

    ``best_of_n`` is w = (1, 0, ..., 0), ``best_random`` is (1/2, 1/(2(N-1)), ..., 1/(2(N-1))) and ``best_worst`` is
    (1/2, 0, ..., 0, 1/2). A response is kept with probability min(1, keep_per_group w_i) and at most once. With 2 a
    group that is the paper's BR (the best and one other at random) and BW (exactly the best and the worst); best-of-N
    keeps one. Equal rewards are ranked at random; ``best_worst`` drops a prompt whose rewards are all equal, since its
    best is its worst. The official code has a second version that resamples the buffer with replacement by these
    weights; it is not offered.
    """

    kind: Literal["rank_weights"] = "rank_weights"
    repeats: ClassVar[bool] = False

    scheme: Scheme = Field("best_worst", description="PF-PPO's BoN, BR and BW, or weights of one's own")
    own_weights: tuple[float, ...] = Field((), description="Weight of every rank, best first, summing to 1 (for 'own')")
    keep_per_group: int = Field(2, ge=1, le=1000, description="Responses of a prompt kept on average (paper 2 of 5)")

    @model_validator(mode="after")
    def _own_weights_fit(self) -> Self:
        if (self.scheme == "own") != bool(self.own_weights):
            raise ValueError("own_weights go with scheme 'own' and with no other")
        off = abs(sum(self.own_weights) - 1.0) > ROUNDING or min(self.own_weights, default=0.0) < 0.0
        if self.own_weights and off:
            raise ValueError("own_weights must not be negative and must sum to 1")
        return self

    @property
    def one_sided(self) -> bool:
        """Whether only the better half of a prompt's responses is ever kept, so that no bad one is seen."""
        own = self.own_weights
        return self.scheme == "best_of_n" or (self.scheme == "own" and not any(own[(len(own) + 1) // 2 :]))

    def keep(self, scores: Tensor, groups: Tensor, rng: np.random.Generator) -> Tensor:
        """Rows by rank within their group. Raises UserError if ``own_weights`` are not one for every response."""
        rewards = array_of(scores)
        kept = [np.empty(0, dtype=np.int64)]
        for rows in positions_by_group(array_of(groups)):
            if not self._drops(rewards[rows]):
                inclusion = np.minimum(1.0, self.keep_per_group * self.rank_weights(len(rows)))
                kept.append(rows[ranked(rewards[rows], rng)[draw_by_inclusion(inclusion, rng)]])
        return indices(np.sort(np.concatenate(kept)), scores)

    def weights(self, scores: Tensor) -> Tensor:
        """w by rank; equal rewards share the weight of their ranks."""
        rewards = array_of(scores)
        if self._drops(rewards):
            return probabilities(np.zeros(len(rewards)), scores)
        values, place, ties = np.unique(-rewards, return_inverse=True, return_counts=True)
        tied = np.repeat(np.arange(len(values)), ties)
        return probabilities((np.bincount(tied, weights=self.rank_weights(len(rewards))) / ties)[place], scores)

    def rank_weights(self, samples: int) -> np.ndarray:
        """w [samples] float64, best rank first, summing to 1. Raises UserError if ``own_weights`` are not as many."""
        if self.scheme == "own":
            if len(self.own_weights) != samples:
                raise UserError(
                    f"own_weights has {len(self.own_weights)} ranks and a prompt has {samples} responses; "
                    "give one weight a response"
                )
            return np.array(self.own_weights)
        weights = np.zeros(samples)
        if self.scheme == "best_random" and samples > 1:
            weights[:] = 0.5 / (samples - 1)
            weights[0] = 0.5
        elif self.scheme == "best_worst":
            weights[0] += 0.5
            weights[-1] += 0.5
        else:
            weights[0] = 1.0
        return weights

    def _drops(self, rewards: np.ndarray) -> bool:
        return self.scheme == "best_worst" and bool((rewards == rewards[0]).all())


class Threshold(Frozen):
    """Responses by their reward alone, whatever the prompt's others have: PF-PPO's threshold arms (section 5.6)."""

    kind: Literal["threshold"] = "threshold"
    repeats: ClassVar[bool] = False

    scheme: Literal["top", "top_random", "top_bottom"] = Field(
        "top_bottom", description="Keep rewards above 'upper'; with a share of the others; with those below 'lower'"
    )
    upper: float = Field(0.5, ge=-1e6, le=1e6, description="Rewards above this are kept (ours, calibrated on tldr)")
    lower: float = Field(-0.5, ge=-1e6, le=1e6, description="Rewards below this are kept by 'top_bottom'")
    others_kept: float = Field(
        0.5, ge=0.0, le=1.0, description="Share of the others that 'top_random' keeps (paper .5)"
    )

    @model_validator(mode="after")
    def _thresholds_are_ordered(self) -> Self:
        if self.scheme == "top_bottom" and self.lower > self.upper:
            raise ValueError("lower must not be above upper")
        return self

    @property
    def one_sided(self) -> bool:
        """Whether only high rewards are ever kept, so that no bad response is seen."""
        return self.scheme == "top" or (self.scheme == "top_random" and self.others_kept == 0.0)

    def keep(self, scores: Tensor, groups: Tensor, rng: np.random.Generator) -> Tensor:
        """Rows beyond the threshold(s), with ``top_random`` also a random share of the others."""
        inclusion = self._inclusion(array_of(scores))
        drawn = rng.random(len(inclusion)) < inclusion if self.scheme == "top_random" else inclusion > 0.0
        return indices(np.flatnonzero(drawn), scores)

    def weights(self, scores: Tensor) -> Tensor:
        """In proportion to the probability of being kept."""
        return probabilities(self._inclusion(array_of(scores)), scores)

    def _inclusion(self, rewards: np.ndarray) -> np.ndarray:
        kept = (rewards > self.upper).astype(np.float64)
        if self.scheme == "top_bottom":
            kept[rewards < self.lower] = 1.0
        if self.scheme == "top_random":
            kept[kept == 0.0] = self.others_kept
        return kept


class PowerReweight(Frozen):
    """Rows of the iteration drawn *with replacement*, in proportion to |reward|^k: PPO-pow-k (section 5.6).

    Over the whole iteration and not within a prompt, as in the official code, which draws as many rows as it has.
    """

    kind: Literal["power_reweight"] = "power_reweight"
    repeats: ClassVar[bool] = True
    one_sided: ClassVar[bool] = False

    power: float = Field(2.0, ge=0.0, le=20.0, description="Power of the absolute reward (k; paper 1, 2, 3)")
    drawn_share: float = Field(
        1.0,
        ge=0.001,
        le=10.0,
        description="Rows drawn, as a share of those sampled (code 1; 0.4 draws as many as BW of 5)",
    )

    def keep(self, scores: Tensor, groups: Tensor, rng: np.random.Generator) -> Tensor:
        """Round(drawn_share x rows) row indices, at least one, with repeats."""
        drawn = max(1, round(self.drawn_share * len(scores)))
        chances = array_of(self.weights(scores))
        return indices(np.sort(rng.choice(len(scores), size=drawn, p=chances)), scores)

    def weights(self, scores: Tensor) -> Tensor:
        """|r|^k / sum |r|^k; equal weights if every reward is 0."""
        size = np.abs(array_of(scores).astype(np.float64))
        mass = (size / size.max()) ** self.power if size.max() > 0.0 else np.ones(len(size))
        return probabilities(mass, scores)


Filter = Annotated[
    KeepAll | RandomSubset | RankWeights | Threshold | PowerReweight,
    Field(discriminator="kind"),
]


def keep_or_all(chosen: Filter, scores: Tensor, groups: Tensor, rng: np.random.Generator) -> tuple[Tensor, bool]:
    """The rows that ``chosen`` keeps, and False; or, where it keeps none, every row and True.

    One iteration without a usable reward (all equal, none beyond a threshold) thus ends no run; the loop counts it.
    """
    kept = chosen.keep(scores, groups, rng)
    return (kept, False) if len(kept) else (KeepAll().keep(scores, groups, rng), True)


def array_of(values: Tensor) -> np.ndarray:
    """The values as a NumPy array."""
    return np.asarray(values.detach().cpu())


def indices(rows: np.ndarray, like: Tensor) -> Tensor:
    """Row indices as int64 on the device of ``like``."""
    import torch

    return torch.from_numpy(rows.astype(np.int64)).to(like.device)


def probabilities(mass: np.ndarray, like: Tensor) -> Tensor:
    """``mass`` scaled to sum to 1 (all zero stays so), float64 on the device of ``like``."""
    import torch

    return torch.from_numpy(mass / (mass.sum() or 1.0)).to(like.device)
