"""A closed-vocabulary tokenizer and tiny models of several architectures, made on the spot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from tasks.models.build import build_from_scratch
from tasks.models.config import ScratchModel
from tasks.models.packing import EncodedGroup
from tasks.models.parts import mark_real_vocabulary

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>", *(f"w{i}" for i in range(15))]
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "qwen3": SHAPE | {"head_dim": 8},
    "gemma2": SHAPE | {"head_dim": 8, "final_logit_softcapping": 0.5, "attn_implementation": "eager"},
    "granite": SHAPE | {"logits_scaling": 3.0},
}

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>"],
        clean_up_tokenization_spaces=False,
        chat_template="<bos> {% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}<assistant>",
    )


@pytest.fixture(scope="session")
def make_model() -> Callable[..., PreTrainedModel]:
    """Tiny models by architecture and seed, with weights large enough for peaked distributions."""

    def make(kind: str, seed: int = 0) -> PreTrainedModel:
        shape = SHAPES.get(kind, SHAPE)
        config = AutoConfig.for_model(kind, vocab_size=24, pad_token_id=0, bos_token_id=1, eos_token_id=2, **shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(config)
            for weight in model.parameters():
                weight.data += 0.15 * torch.randn_like(weight)
        mark_real_vocabulary(model, len(WORDS))
        return model.eval()

    return make


@pytest.fixture
def make_llama(tokenizer: PreTrainedTokenizerFast) -> Callable[[int], PreTrainedModel]:
    """Llamas from scratch by seed; 21 words in a vocabulary of 24."""
    shape = ScratchModel(
        hidden_size=16, layers=2, heads=2, intermediate_size=32, max_positions=64, initializer_range=0.3
    )
    return lambda seed: build_from_scratch(shape, tokenizer, seed)


@pytest.fixture
def groups() -> list[EncodedGroup]:
    """Three prompts with two responses each, all of different lengths."""
    generator = torch.Generator().manual_seed(0)

    def ids(length: int) -> list[int]:
        return torch.randint(3, len(WORDS), (length,), generator=generator).tolist()

    lengths = [(5, 4, 2), (9, 3, 6), (1, 1, 5)]
    return [EncodedGroup([1, *ids(prompt)], [[*ids(a), 2], [*ids(b), 2]]) for prompt, a, b in lengths]
