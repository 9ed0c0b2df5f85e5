"""What a policy is made of: a small Llama from scratch, or weights from a folder or the Hugging Face Hub."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.engine.schema import Frozen


class ScratchModel(Frozen):
    """The shape of a Llama trained from random weights (tied embeddings, vocabulary a multiple of 8)."""

    hidden_size: int = Field(96, description="Width of the residual stream (ours, calibrated)", ge=8, le=8192)
    layers: int = Field(3, description="Transformer blocks (ours, calibrated)", ge=1, le=128)
    heads: int = Field(4, description="Attention heads; must divide hidden_size into even parts", ge=1, le=128)
    intermediate_size: int = Field(264, description="Width of the gated MLP (2.75 x hidden_size)", ge=8, le=65536)
    max_positions: int = Field(256, description="Longest prompt plus response, in tokens", ge=8, le=131072)
    initializer_range: float = Field(
        0.05, description="Standard deviation of the initial weights (ours; Llama has 0.02)", ge=1e-4, le=1.0
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} must be a multiple of 2 x heads ({2 * self.heads}): "
                "rotary positions turn pairs of features"
            )
        return self


class ModelConfig(Frozen):
    """Where a policy's first weights come from, how it is held in memory, and which weights are trained."""

    path: str = Field("", description="Local folder or Hub id; empty: train from scratch", max_length=500)
    revision: str = Field("main", description="Branch, tag or commit of the Hub repository", max_length=100)
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="Number format of the weights")
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field(
        "sdpa", description="Attention kernel; flash_attention_2 needs a GPU and its own package"
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations in the backward pass: about 30 % slower, far less memory"
    )
    lora_rank: int = Field(0, description="Rank r of LoRA adapters on every linear layer; 0 trains all", ge=0, le=1024)
    lora_alpha: float = Field(32.0, description="LoRA scale alpha; updates count alpha / r", ge=0.0, le=4096.0)
    lora_dropout: float = Field(
        0.0, description="Dropout before the adapters; policy optimisation turns it off", ge=0.0, le=0.9
    )
    scratch: ScratchModel = Field(ScratchModel(), description="Shape of the model when path is empty")
