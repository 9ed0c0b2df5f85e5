"""A small Llama from random weights."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from tasks.models.config import ScratchModel
from tasks.models.parts import mark_real_vocabulary


def build_from_scratch(config: ScratchModel, tokenizer: PreTrainedTokenizerBase, seed: int) -> LlamaForCausalLM:
    """Float32 Llama with tied embeddings; equal arguments give equal weights, and global RNGs are left alone.

    The embedding matrix is padded to a multiple of 8 rows; the padding rows are never sampled or scored.
    """
    llama = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 8) * 8,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=config.max_positions,
        initializer_range=config.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(llama)
    mark_real_vocabulary(model, len(tokenizer))
    return model.eval()
