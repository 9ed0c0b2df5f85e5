"""What a policy-gradient method is made of, and what every arm of a paper has in common."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.models.decoding import Decoding
from tasks.policy.optimisation import Optimiser
from tasks.policy.steps.advantages import AdvantageEstimator, GeneralisedAdvantage
from tasks.policy.steps.clipped_policy import ClippedSurrogate, PolicyLoss
from tasks.policy.steps.clipped_value import ClippedValue
from tasks.policy.steps.filters import Filter, KeepAll
from tasks.policy.steps.kl_control import FixedKL, KLControl
from tasks.policy.steps.macro_actions import MacroPooling
from tasks.policy.steps.score_adjustments import LengthPenalty, OwnScore, ScoreClip, Unfinished
from tasks.policy.steps.shaping import Shaping, Vanilla
from tasks.policy.steps.starts import FromPrompt, StartStates
from tasks.policy.steps.termination_rules import MacroActions, TokenActions
from tasks.policy.steps.token_rewards import KLEstimator


class ValueModel(Frozen):
    """The critic: where its values come from and how it is trained."""

    trunk: Literal["own", "shared", "none"] = Field(
        "own", description="A model of its own, a head on the policy's last hidden states, or no value model (values 0)"
    )
    start: Literal["policy", "reward"] = Field(
        "policy", description="Weights a trunk of its own starts from: the SFT model's, or the (first) reward model's"
    )
    learning_rate: float = Field(
        5e-4, ge=1e-8, le=1.0, description="Peak learning rate of the value model (ours, calibrated)"
    )
    coefficient: float = Field(0.5, ge=0.0, le=100.0, description="Weight of the value loss beside the policy's")
    loss: ClippedValue = Field(ClippedValue(), description="Regression of values on returns")


class PolicyGradient(Frozen):
    """One method: each field is a step of the loop that a paper may replace."""

    start: StartStates = Field(FromPrompt(), description="Where rollouts begin")
    per_prompt: int = Field(1, ge=1, le=1024, description="Responses sampled a prompt")
    missing_eos: Unfinished = Field(OwnScore(), description="Score of a response that did not end (DR-PO: fixed)")
    length_penalty: LengthPenalty = Field(
        LengthPenalty(coefficient=0.0), description="A penalty on length before shaping (PAR's code)"
    )
    score_clip: ScoreClip = Field(ScoreClip(), description="Scores are held within a range before shaping")
    shaping: Shaping = Field(Vanilla(), description="From the reward function's score to the reward of RL")
    filter: Filter = Field(KeepAll(), description="Which rollouts are learned from")
    actions: MacroActions = Field(TokenActions(), description="What one action is")
    pooling: MacroPooling = Field(MacroPooling(), description="Reward and value of an action of several tokens")
    kl: KLControl = Field(FixedKL(), description="Coefficient of the KL penalty in the token rewards")
    kl_estimator: KLEstimator = Field("k1", description="Estimator of a token's KL in its reward")
    advantage: AdvantageEstimator = Field(GeneralisedAdvantage(), description="From token rewards to advantages")
    policy_loss: PolicyLoss = Field(ClippedSurrogate(), description="What the policy minimises")
    value: ValueModel = Field(ValueModel(), description="The value model")
    buffer_batches: int = Field(
        1, ge=1, le=64, description="Rollout batches held; above 1 a random held one is trained on (PAR: 4)"
    )


class ReinforcementTraining(Optimiser):
    """Budget of every policy-gradient arm: what is sampled, and how many steps are taken on it."""

    learning_rate: float = Field(2e-4, ge=1e-8, le=1.0, description="Peak learning rate of the policy (ours)")
    warmup_steps: int = Field(5, ge=0, le=1_000_000, description="Iterations of linear warm-up")
    iterations: int = Field(100, ge=1, le=10_000_000, description="Batches of rollouts")
    rollouts: int = Field(
        64, ge=1, le=1_000_000, description="Responses of an iteration, whatever the arm samples a prompt"
    )
    inner_epochs: int = Field(1, ge=1, le=100, description="Passes over the rollouts of an iteration")
    minibatches: int = Field(1, ge=1, le=1024, description="Optimiser steps of a pass")
    decoding: Decoding = Field(Decoding(max_new_tokens=32), description="How rollouts are drawn")
    snapshots: int = Field(4, ge=1, le=100, description="Checkpoints kept for the reward-KL frontier, evenly spread")
    checkpoint_every_steps: int = Field(
        25, ge=1, le=1_000_000, description="Iterations between resumable checkpoints",
        json_schema_extra={"presentation": True},
    )  # fmt: skip

    @model_validator(mode="after")
    def _samples_by_the_softmax(self) -> Self:
        if self.decoding.temperature == 0.0:
            raise ValueError("decoding.temperature 0 is greedy: a policy gradient needs samples, give it above 0")
        return self
