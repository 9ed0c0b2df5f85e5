"""The parts of a causal language model that scoring and sampling use one at a time.

A Hugging Face causal LM computes body -> hidden states -> output head -> logits for every position. Scoring
needs logits at response positions only, so it calls the body and the head itself. Any architecture of
``transformers`` with those two parts works, with or without LoRA adapters around it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

PACKABLE = frozenset({"llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox", "granite", "olmo2", "phi3"})
"""Architectures tested to take explicit positions and a 4-D mask, so that responses can share a prompt."""


@dataclass(frozen=True)
class AdaptersOff:
    """The frozen reference of a LoRA policy: the same weights with adapters switched off, not a copy."""

    policy: PeftModel


Scorable = nn.Module | AdaptersOff


def causal_lm(model: Scorable) -> PreTrainedModel:
    """The Hugging Face model inside LoRA wrappers, with the adapters still in its layers."""
    if isinstance(model, AdaptersOff):
        return model.policy.get_base_model()
    return model.get_base_model() if isinstance(model, PeftModel) else model


def output_head(model: Scorable) -> nn.Module:
    """The layer that turns hidden states [..., hidden] into logits [..., padded vocabulary]."""
    return causal_lm(model).get_output_embeddings()


def run_body(model: Scorable, **inputs: Any) -> Tensor:
    """Run the body: hidden states [rows, time, hidden] in the model's dtype, before the output head.

    A cache passed as ``past_key_values`` is extended in place.
    """
    if isinstance(model, AdaptersOff):
        with model.policy.disable_adapter():
            return run_body(model.policy, **inputs)
    given = {name: value for name, value in inputs.items() if value is not None}
    return causal_lm(model).base_model(**given, use_cache="past_key_values" in given).last_hidden_state


def real_logits(model: Scorable, hidden: Tensor) -> Tensor:
    """Float32 logits over real tokens: [..., hidden] -> [..., real vocabulary].

    Ids that only pad the embedding matrix to a round size are cut off, which gives them probability zero:
    sampling and scoring both come through here, so they agree. Covers the three ways in which architectures
    finish their logits (Gemma's soft cap, Cohere's and Granite's scales).
    """
    config = causal_lm(model).config
    logits = output_head(model)(hidden)[..., : real_vocabulary_size(model)].float()
    logits = logits * (getattr(config, "logit_scale", None) or 1.0)
    logits = logits / (getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)


def real_vocabulary_size(model: Scorable) -> int:
    """Number of ids that stand for a token; the embedding matrix may be longer."""
    config = causal_lm(model).config
    return getattr(config, "real_vocabulary_size", config.vocab_size)


def mark_real_vocabulary(model: PreTrainedModel, tokens: int) -> None:
    """Note in the model's configuration, which is saved with it, that ids from ``tokens`` on are padding."""
    model.config.real_vocabulary_size = min(tokens, model.config.vocab_size)


def context_length(model: Scorable) -> int:
    """Longest prompt plus response in tokens that the model has positions for."""
    return causal_lm(model).config.max_position_embeddings


def can_share_prefix(model: Scorable) -> bool:
    """Whether several responses can be encoded after one copy of their prompt (see ``packing``)."""
    config = causal_lm(model).config
    packable = config.model_type in PACKABLE and config._attn_implementation == "sdpa"
    return packable and _attends_to_everything(model)


def _attends_to_everything(model: Scorable) -> bool:
    config = causal_lm(model).config
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return set(kinds) == {"full_attention"}
    window = getattr(config, "sliding_window", None)
    return window is None or window >= context_length(model)


def disable_dropout(model: nn.Module) -> None:
    """Set every dropout rate to 0, in place: policy and reference must agree before the first step."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(vars(module).get("attention_dropout"), float):
            vars(module)["attention_dropout"] = 0.0


@contextmanager
def evaluating(model: Scorable) -> Iterator[None]:
    """Evaluation mode without gradients (in training mode, checkpointed layers keep no cache)."""
    module = model.policy if isinstance(model, AdaptersOff) else model
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)
