"""Which part of the tiny world a paper is played in."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen


class TinyWorld(Frozen):
    """A family of the tiny world, and how much of it a run sees."""

    family: Literal["tldr", "hh", "gsm", "code", "instruct"] = Field("tldr", description="Family of prompts")
    demonstrations: int = Field(12800, ge=8, le=10_000_000, description="Prompts with a demonstration, for SFT")
    pairs: int = Field(3400, ge=4, le=10_000_000, description="Prompts whose two samples are compared")
    policy_prompts: int = Field(
        3200,
        ge=4,
        le=10_000_000,
        description="Prompts that policy-gradient arms sample from, with a demonstration each",
    )
    held_out_pairs: int = Field(400, ge=4, le=1_000_000, description="Validation prompts compared, never trained on")
    evaluation_prompts: int = Field(250, ge=4, le=1_000_000, description="Evaluation prompts, disjoint from the rest")
    label_temperature: float = Field(
        0.5,
        ge=0.0,
        le=100.0,
        description="Bradley-Terry temperature of the preference labels, in units of reward",
    )
    label_noise: float = Field(0.0, ge=0.0, le=1.0, description="Probability that a label is flipped")
    label_by: Literal["gold", "judge"] = Field(
        "gold", description="Labels by the gold reward or instruct's biased judge"
    )
