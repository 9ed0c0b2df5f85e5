"""RLHF Workflow (arXiv 2405.07863): configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.rounds import JudgeFitting, RoundsConfig
from tasks.policy.fresh.choices import BestWorst
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import SupervisedTraining

Sampled = Annotated[int, Field(ge=2, le=256)]
"""Responses a prompt."""


class RLHFWorkflowConfig(RoundsConfig):
    """Everything that a run of the RLHF Workflow comparison depends on."""

    arms: list[
        Literal[
            "sft", "offline_dpo", "offline_dpo_rm", "iterative_dpo", "iterative_best", "iterative_length_penalty",
            "iterative_moving_reference", "iterative_max_random", "iterative_max_max", "iterative_random",
            "iterative_pairwise", "iterative_weak_reward", "iterative_biased_reward", "raft",
        ]
    ] = Field(
        ["sft", "offline_dpo", "offline_dpo_rm", "iterative_dpo", "iterative_length_penalty",
         "iterative_moving_reference", "iterative_random", "iterative_weak_reward"],
        min_length=1,
        description="Arms to compare; iterative_biased_reward needs the tiny world's family instruct",
    )  # fmt: skip
    policy: DPO = Field(DPO(), description="The loss of every DPO arm (paper: beta 0.1)")
    fresh: FreshPairs = Field(
        FreshPairs(passes=2, per_prompt=8, temperatures=[1.0, 0.7], choice=BestWorst()),
        description="How a round draws its pairs (paper: 8 responses, half at temperature 1 and half at 0.7; 2 epochs)",
    )
    length_penalty: float = Field(
        0.02,
        ge=0.0,
        le=1000.0,
        description="Taken off a standardised reward for every character (lambda; paper 0.001, for long responses)",
    )
    sweep_responses: list[Sampled] = Field(
        [2],
        max_length=20,
        description="Further numbers of responses a prompt of the iterative arm, with as many pairs (paper 8)",
    )
    weak_pairs: int = Field(
        100, ge=4, le=10_000_000, description="Pairs that the reward model of iterative_weak_reward is fitted on"
    )
    judge: JudgeFitting = Field(JudgeFitting(), description="The pairwise preference model of iterative_pairwise")
    raft: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=3e-4, batch_size=32, epochs=2),
        description="Budget of a round of rejection sampling on its best responses",
    )
    validation_prompts: int = Field(
        200,
        ge=4,
        le=1_000_000,
        description="Prompts that iterative_best is chosen on; no round samples from them, if the data has enough",
    )

    @model_validator(mode="after")
    def _arms_can_run(self) -> Self:
        if "iterative_biased_reward" in self.arms and (self.data.path or self.world.family != "instruct"):
            raise ValueError(
                "arms: iterative_biased_reward needs a judge that is known to be length-biased, which world.family "
                "instruct alone has; choose it, or leave the arm out"
            )
        if "iterative_best" in self.arms and not self.data.path:
            wanted = self.prompts_of_a_run + self.validation_prompts
            if self.world.policy_prompts < wanted:
                raise ValueError(
                    f"world.policy_prompts {self.world.policy_prompts}: the rounds and the choice of iterative_best "
                    f"want {wanted}"
                )
        if self.weak_pairs >= self.world.pairs and not self.data.path:
            raise ValueError(f"weak_pairs {self.weak_pairs} must be fewer than world.pairs {self.world.pairs}")
        for responses in self.sweep_responses:
            self.fresh.model_validate(self.fresh.model_dump() | {"per_prompt": responses})
        return self
