"""What a SuperHF run is made of (arXiv 2310.16763)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen
from tasks.models.decoding import Decoding
from tasks.policy.objectives.superhf import SuperHF
from tasks.policy.optimisation import Optimiser


class SuperHFMethod(Frozen):
    """How completions are drawn and chosen, and what is minimised on them."""

    superbatch: int = Field(16, ge=1, le=4096, description="Completions sampled a prompt (S; paper 16, swept 1 to 128)")
    prompts_a_group: int = Field(
        2,
        ge=0,
        le=1_000_000,
        description="Prompts sampled for before the next fine-tuning (P; paper 2); 0: all at once",
    )
    kept: int = Field(
        1, ge=1, le=4096, description="Best completions of a prompt that are learned from (top_k; paper 1)"
    )
    length_penalty: float = Field(
        0.0, ge=-1000.0, le=1000.0, description="Times log(characters), taken off the score before choosing (paper 0)"
    )
    turn_marks: list[Annotated[str, Field(min_length=1)]] = Field(
        ["\n\nHuman:", "\n\nAssistant:", "\n\nUser:"],
        max_length=20,
        description="Where a completion that goes on into another turn is cut",
    )
    objective: SuperHF = Field(SuperHF(), description="Cross-entropy and KL prior")

    @model_validator(mode="after")
    def _enough_to_choose_from(self) -> Self:
        if self.kept > self.superbatch:
            raise ValueError(f"kept {self.kept} of superbatch {self.superbatch}: sample at least as many as are kept")
        return self


class SuperHFTraining(Optimiser):
    """Budget of a SuperHF run. The schedule moves once a group, however many minibatches that has (as the paper's)."""

    learning_rate: float = Field(2e-5, ge=1e-8, le=1.0, description="Peak learning rate (paper 2e-5, LoRA)")
    prompts: int = Field(10_000, ge=1, le=100_000_000, description="Prompts in all, each taken once (paper 10,000)")
    minibatch: int = Field(2, ge=1, le=65536, description="Completions of an optimiser step (paper 2)")
    warmup_steps: int = Field(
        32, ge=0, le=1_000_000, description="Groups of linear warm-up (paper 32); at most a quarter of all groups"
    )
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="After warm-up (paper: cosine)")
    decoding: Decoding = Field(
        Decoding(max_new_tokens=64, top_p=0.95), description="How completions are drawn (paper: 64 tokens, top-p 0.95)"
    )
    snapshots: int = Field(4, ge=1, le=100, description="Checkpoints kept along the run, evenly spread over groups")
    checkpoint_every_steps: int = Field(
        50, ge=1, le=1_000_000, description="Groups between resumable checkpoints",
        json_schema_extra={"presentation": True},
    )  # fmt: skip

    @model_validator(mode="after")
    def _fits_the_loop(self) -> Self:
        if self.micro_batch_size:
            raise ValueError(
                f"micro_batch_size {self.micro_batch_size}: a minibatch is held whole, since the KL is summed over it; "
                "lower minibatch"
            )
        if self.decoding.temperature == 0.0:
            raise ValueError(
                "decoding.temperature 0 is greedy: all completions of a prompt would be one; give it above 0"
            )
        return self
