"""The policy that a run trains, opened so that equal seeds give equal weights."""

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine.refs import Checkpoint
from tasks.models.config import ModelConfig
from tasks.models.opening import open_policy
from tasks.models.parts import disable_dropout


def open_trained(
    start: Checkpoint, model: ModelConfig, seed: int
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """``start`` to train, without dropout; adapters begin as ``seed`` alone says, global random states stay."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    return policy, tokenizer
