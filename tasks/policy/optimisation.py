"""How a policy is trained: the settings that every loop over batches shares."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen


class Optimiser(Frozen):
    """Optimiser and schedule of one training run."""

    learning_rate: float = Field(1e-4, ge=1e-8, le=1.0, description="Peak learning rate (ours, calibrated on tldr)")
    micro_batch_size: int = Field(
        0,
        ge=0,
        le=65536,
        description="Rows held in memory at once; 0: the whole batch (gradients are the same)",
    )
    optimizer: Literal["adamw", "rmsprop"] = Field("adamw", description="AdamW (ours); official DPO code has RMSprop")
    beta1: float = Field(0.9, ge=0.0, le=0.9999, description="AdamW's decay of the mean gradient")
    beta2: float = Field(0.99, ge=0.0, le=0.99999, description="AdamW's decay of the squared gradient")
    weight_decay: float = Field(0.0, ge=0.0, le=1.0, description="AdamW's decoupled weight decay")
    warmup_steps: int = Field(20, ge=0, le=1_000_000, description="Steps of linear warm-up (official DPO code: 150)")
    schedule: Literal["constant", "cosine", "linear"] = Field(
        "constant",
        description="After warm-up; cosine and linear end at final_rate (official DPO code: constant)",
    )
    final_rate: float = Field(0.05, ge=0.0, le=1.0, description="Last learning rate as a share of the peak")
    max_grad_norm: float = Field(1.0, ge=0.0, le=1e6, description="Gradient clipping by global norm (DPO code: 10)")
    log_every_steps: int = Field(1, ge=1, le=10_000, description="Steps between logged training metrics")
    checkpoint_every_steps: int = Field(
        50, ge=1, le=1_000_000, description="Steps between resumable checkpoints",
        json_schema_extra={"presentation": True},
    )  # fmt: skip


class Optimisation(Optimiser):
    """Optimiser, schedule and budget of one training run over fixed rows."""

    batch_size: int = Field(32, ge=1, le=65536, description="Rows (pairs, demonstrations) an optimiser step sees")
    epochs: int = Field(1, ge=1, le=1000, description="Passes over the data")
    max_steps: int = Field(0, ge=0, le=10_000_000, description="Stop after this many optimiser steps; 0: by epochs")


class SupervisedTraining(Optimisation):
    """Settings of supervised fine-tuning; the loss is the mean over response tokens."""

    learning_rate: float = Field(1.5e-3, ge=1e-8, le=1.0, description="Peak learning rate (ours, calibrated)")
    batch_size: int = Field(64, ge=1, le=65536, description="Demonstrations an optimiser step sees (ours)")
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="Shape after warm-up (ours)")
    snapshots: int = Field(1, ge=1, le=100, description="Checkpoints kept along the run, evenly spread, with the last")


class PreferenceTraining(Optimisation):
    """Settings of preference optimisation on pairs."""

    snapshots: int = Field(4, ge=1, le=100, description="Checkpoints kept for the reward-KL frontier, evenly spread")


class Pretraining(SupervisedTraining):
    """Budget of the model that every arm of every paper starts from in the tiny world."""

    steps: int = Field(2000, ge=1, le=10_000_000, description="Optimiser steps (ours; copying needs them to emerge)")
    micro_batch_size: int = Field(
        32, ge=0, le=65536, description="Rows computed together, of similar length; batches themselves mix families"
    )
    learning_rate: float = Field(3e-3, ge=1e-8, le=1.0, description="Peak learning rate (ours, calibrated)")
    beta2: float = Field(0.98, ge=0.0, le=0.99999, description="AdamW's decay of the squared gradient (ours)")
    weight_decay: float = Field(0.01, ge=0.0, le=1.0, description="AdamW's decoupled weight decay (ours)")
    warmup_steps: int = Field(100, ge=0, le=1_000_000, description="Steps of linear warm-up (ours)")
    log_every_steps: int = Field(20, ge=1, le=10_000, description="Steps between logged training metrics")
    checkpoint_every_steps: int = Field(
        250, ge=1, le=1_000_000, description="Steps between resumable checkpoints",
        json_schema_extra={"presentation": True},
    )  # fmt: skip


class ByteVocabulary(Frozen):
    """The tokenizer that a from-scratch model of real data gets."""

    size: int = Field(2048, ge=300, le=200_000, description="Tokens of the byte-level BPE trained on the data (ours)")
