"""Checkpoints of the store as models on this process's device."""

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine.refs import Checkpoint
from tasks.engine.store import Store
from tasks.models.config import ModelConfig
from tasks.models.loading import load_model


def device() -> torch.device:
    """The first GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def open_policy(ref: Checkpoint, config: ModelConfig) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """A policy to train: dropout off, adapters and gradient checkpointing as ``config`` says."""
    model, tokenizer = load_model(str(Store().open(ref)), config)
    return model.to(device()), tokenizer


def open_frozen(ref: Checkpoint, config: ModelConfig) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """A model to sample from or to score with: no adapters, no parameter that wants a gradient."""
    plain = config.model_copy(update={"lora_rank": 0, "gradient_checkpointing": False})
    model, tokenizer = open_policy(ref, plain)
    return model.requires_grad_(False), tokenizer
