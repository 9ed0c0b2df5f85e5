"""A reward model along its training: references and settings."""

from typing import Self

from pydantic import Field, model_validator

from tasks.engine.refs import RewardRef
from tasks.engine.schema import Frozen
from tasks.evaluation.scores import FINAL
from tasks.reward.settings import RewardTraining


class RewardSeries(Frozen):
    """Reward models of one fit, in the order of their optimiser steps; the last one is final."""

    steps: list[int] = Field(min_length=1)
    rewards: list[RewardRef]

    @model_validator(mode="after")
    def _one_model_a_step(self) -> Self:
        if len(self.steps) != len(self.rewards):
            raise ValueError(f"{len(self.steps)} steps want as many reward models, not {len(self.rewards)}")
        return self

    @property
    def final(self) -> RewardRef:
        """The reward model after the last step."""
        return self.rewards[-1]


class RewardSeriesTraining(RewardTraining):
    """Optimiser, budget and checkpoints of one reward model."""

    snapshots: int = Field(
        4, ge=1, le=100, description="Reward models kept along the fit, evenly spread, with the last"
    )


def names_of(steps: list[int]) -> list[str]:
    """Points of a series by their steps: ``step50``, ``step100`` ... and the final one's empty name."""
    return [f"step{step}" for step in steps[:-1]] + [FINAL]
