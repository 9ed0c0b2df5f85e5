"""How a reward model is fitted."""

from typing import Literal

from pydantic import Field

from tasks.policy.optimisation import Optimisation


class RewardTraining(Optimisation):
    """Optimiser, budget and initial head of one reward model."""

    learning_rate: float = Field(1e-3, ge=1e-8, le=1.0, description="Peak learning rate (ours, calibrated on tldr)")
    epochs: int = Field(2, ge=1, le=1000, description="Passes over the pairs (ours, for 2,000 pairs)")
    warmup_steps: int = Field(10, ge=0, le=1_000_000, description="Steps of linear warm-up (ours)")
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="Shape after warm-up (ours)")
    shared_head: bool = Field(
        False, description="Start from one head whatever the seed, as averaging of weights wants (WARM)"
    )
    pooling: Literal["last_token", "mean"] = Field(
        "last_token",
        description="Where the reward is read: at the last token (papers), or as the mean over the response's tokens "
        "(ours, for models trained from scratch: they have never read their own EOS)",
    )
