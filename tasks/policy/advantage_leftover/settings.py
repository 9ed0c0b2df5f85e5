"""How a policy's value is fitted, which responses a step sees, and the budget of every arm."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.policy.objectives.a_lol import ALoL, KLALoL, ReferenceFreeALoL, TokenALoL
from tasks.policy.objectives.reward_weighted import ResponseLikelihood, RewardGOLD, RLoL, WeightedBehaviourCloning
from tasks.policy.optimisation import Optimisation

Leftover = ALoL | ReferenceFreeALoL | TokenALoL | KLALoL
Weighted = ResponseLikelihood | WeightedBehaviourCloning | RLoL | RewardGOLD
Sampling = Literal["priority", "positive", "uniform"]
"""``priority``: in proportion to the positive part of a response's weight, with replacement; ``positive``: uniformly
among those of positive weight; ``uniform``: uniformly among all."""


class ValueFitting(Frozen):
    """The value of the frozen policy: a small head on its hidden states of the prompt."""

    heads: int = Field(8, ge=1, le=128, description="Attention heads over the prompt; must divide the policy's width")
    dropout: float = Field(0.1, ge=0.0, le=0.9, description="Dropout while the head is fitted (official code 0.1)")
    learning_rate: float = Field(
        1e-3, ge=1e-8, le=1.0, description="AdamW's constant step size (ours; official code 1e-5 at width 4096)"
    )
    epochs: int = Field(10, ge=1, le=1000, description="Passes over the validation prompts (HHA 10, elsewhere 5)")
    batch_size: int = Field(16, ge=1, le=65536, description="Prompts a step sees (official code 16)")


class LeftoverTraining(Optimisation):
    """Budget of every arm that learns from single responses."""

    learning_rate: float = Field(1e-4, ge=1e-8, le=1.0, description="Peak learning rate (HHA 2e-4 with QLoRA)")
    batch_size: int = Field(16, ge=1, le=65536, description="Responses an optimiser step sees (paper 16)")
    snapshots: int = Field(4, ge=1, le=100, description="Checkpoints kept along the run, among which one is chosen")
    scale_steps: bool = Field(
        True, description="Take as many steps as the share of responses of positive weight says (paper: yes)"
    )
