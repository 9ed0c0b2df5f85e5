"""Configuration of the reward-ensembles paper."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.reinforcement.matched import ReinforcementConfig
from tasks.engine.schema import Frozen
from tasks.evaluation.best_of_n_settings import BestOfNSweep
from tasks.models.decoding import Decoding
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.kl_control import FixedKL
from tasks.policy.steps.score_adjustments import ScoreClip

Size = Annotated[int, Field(ge=2, le=64)]
Noise = Annotated[float, Field(ge=0.0, le=0.5)]


class BestOfN(Frozen):
    """One pool of the SFT model's answers, which every selector and every n chooses from."""

    answers: int = Field(
        128, ge=2, le=100_000, description="Answers a prompt, twice the largest n or more (paper: 12,600 for 12,500)"
    )
    decoding: Decoding = Field(Decoding(), description="How answers are drawn (paper: top-p 0.9)")
    penalty: float = Field(0.5, ge=0.0, le=1000.0, description="UWO's weight of the variance (paper: 0.5)")
    sweep: BestOfNSweep = Field(
        BestOfNSweep(counts=[1, 2, 4, 8, 16, 32, 64], standardise_gold=True),
        description="Values of n, rising from 1; gold reward in units of its spread over the pool (paper)",
    )

    @model_validator(mode="after")
    def _pool_holds_every_count(self) -> Self:
        counts = self.sweep.counts
        if len(counts) < 2 or counts[0] != 1 or counts != sorted(set(counts)):
            raise ValueError(f"sweep.counts {counts} must rise from 1, two or more values: a curve starts at no choice")
        if counts[-1] > self.answers:
            raise ValueError(f"the best of {counts[-1]} wants as many answers, there are {self.answers}; raise answers")
        return self


class RMEnsemblesConfig(ReinforcementConfig):
    """Everything that a run of the comparison of reward ensembles depends on."""

    arms: list[Literal["sft", "single", "mean", "wco", "uwo", "kl_only"]] = Field(
        ["sft", "single", "mean", "wco", "uwo", "kl_only"], min_length=1, description="Arms to compare"
    )
    optimisers: list[Literal["best_of_n", "ppo"]] = Field(
        ["best_of_n", "ppo"], min_length=1, description="What the rewards are optimised by"
    )
    label_noises: list[Noise] = Field(
        [0.0, 0.25], min_length=1, max_length=10, description="Shares of labels flipped, everything else alike"
    )
    sizes: list[Size] = Field(
        [3, 4, 5], min_length=1, max_length=20, description="Ensemble sizes k in best-of-n; arms have the largest"
    )
    policy_sizes: list[Size] = Field(
        [], max_length=20, description="Ensemble sizes in PPO; empty: the largest of sizes"
    )
    single_members: int = Field(
        1, ge=1, le=64, description="Members that PPO on a single reward model is run with, one run each (paper: 5)"
    )
    best_of_n: BestOfN = Field(BestOfN(), description="Best-of-n sampling")
    penalty: float = Field(0.1, ge=0.0, le=100.0, description="UWO's weight of the variance in PPO (paper: 0.1)")
    variance: Literal["population", "sample"] = Field(
        "population", description="Of the members in PPO: / k (paper), or / (k - 1) as in the released PPO code"
    )
    method: PolicyGradient = Field(
        PolicyGradient(kl=FixedKL(coefficient=0.0), score_clip=ScoreClip(limit=10.0)),
        description="PPO; an arm changes its reward and, where it says so, its KL penalty",
    )
    penalised_noises: list[Noise] = Field(
        [0.25], max_length=10, description="Label noises at which PPO is also run with a KL penalty (paper: all)"
    )
    small_beta: float = Field(
        0.02, ge=1e-6, le=100.0, description="Small KL penalty that goes with every arm (paper: 0.01; ours, larger "
        "since rewards of small models are smaller)"
    )  # fmt: skip
    large_beta: float = Field(0.2, ge=1e-6, le=100.0, description="KL penalty of the arm kl_only (paper: about 0.2)")

    @model_validator(mode="after")
    def _grid_holds_together(self) -> Self:
        most = max(self.sizes)
        if self.world.label_noise:
            raise ValueError("world.label_noise is set by label_noises here; leave it 0")
        if beyond := set(self.penalised_noises) - set(self.label_noises):
            raise ValueError(f"penalised_noises {sorted(beyond)} are not among label_noises {self.label_noises}")
        for name in ("sizes", "label_noises", "policy_sizes", "penalised_noises"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} {values} has a value twice")
        if max([self.single_members, *self.policy_sizes]) > most:
            raise ValueError(f"single_members and policy_sizes want members that sizes {self.sizes} does not fit")
        return self
