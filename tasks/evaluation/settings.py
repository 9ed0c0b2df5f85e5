"""What every arm of a run is measured by."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.models.decoding import Decoding


class Evaluation(Frozen):
    """What every arm is measured by."""

    prompts: Literal["test", "validation"] = Field(
        "test",
        description="Prompts that arms are measured on; settings are chosen on validation, never on test",
    )
    decoding: Decoding = Field(Decoding(), description="How responses are drawn for gold reward, win rate and KL")
    temperatures: list[float] = Field(
        [0.0, 0.25, 0.5, 0.75],
        max_length=20,
        description="Further temperatures of the win-rate curve (paper: 0 to 1)",
    )
    best_of: int = Field(
        16, ge=2, le=4096, description="Samples a prompt that Best-of-n chooses from (paper: up to 128)"
    )
