"""Weights from a folder or the Hugging Face Hub into memory, and back into a folder.

Weights are read from safetensors only: unpickling a ``.bin`` file can run any code. Code that a repository
brings along (``trust_remote_code``) is never run.
"""

from pathlib import Path

import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tasks.engine.schema import UserError
from tasks.models.config import ModelConfig
from tasks.models.parts import causal_lm, disable_dropout, mark_real_vocabulary

UNREADABLE = (OSError, ValueError, ImportError, SafetensorError, HfHubHTTPError, HFValidationError)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def load_model(source: str | Path, config: ModelConfig) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a local folder or a Hub id, in evaluation mode, with dropout off.

    ``config`` says how: number format, attention kernel, gradient checkpointing (takes effect in training
    mode), and LoRA adapters, which are then the only trainable weights. ``config.revision`` counts for Hub
    ids only.

    Raises:
        UserError: no such folder, weights only as pickles, a Hub repository that is out of reach, or a
        tokenizer with
            more tokens than the model has embeddings.
    """
    source = str(source)
    folder = _local_folder(source)
    place = {"pretrained_model_name_or_path": str(folder or source)}
    place |= {} if folder else {"revision": config.revision}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**place, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            **place,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=getattr(torch, config.dtype),
            attn_implementation=config.attention,
        )
    except UNREADABLE as error:
        raise UserError(_explain(source, folder, config.revision, error)) from error
    _fit_tokenizer(model, tokenizer, source)
    return prepare_model(model, config), tokenizer


def prepare_model(model: PreTrainedModel, config: ModelConfig) -> PreTrainedModel | PeftModel:
    """Dropout off, gradient checkpointing and fresh LoRA adapters (an identity at first) as configured."""
    disable_dropout(model)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if not config.lora_rank:
        return model.eval()
    adapters = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, adapters).eval()


def save_model(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write safetensors, configuration and tokenizer that ``load_model`` reads back.

    LoRA adapters are merged into the weights written, not into the model in memory: a folder stands alone,
    and the next stage that puts adapters on it has this policy as its reference.
    """
    base = causal_lm(model)
    weights = _merged_weights(base) if isinstance(model, PeftModel) else None
    base.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


def _merged_weights(base: nn.Module) -> dict[str, Tensor]:
    """State of a model with LoRA layers as the plain model with the same function would have it."""
    state = {name: weight for name, weight in base.state_dict().items() if ".lora_" not in name}
    with torch.no_grad():
        for name, layer in base.named_modules():
            for adapter in getattr(layer, "active_adapters", []) if hasattr(layer, "get_delta_weight") else []:
                state[f"{name}.base_layer.weight"] = layer.base_layer.weight + layer.get_delta_weight(adapter)
    return {name.replace(".base_layer.", "."): weight for name, weight in state.items()}


def _local_folder(source: str) -> Path | None:
    """The folder that ``source`` names, checked, or None for a Hub id."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if source.count("/") > 1 or source.startswith((".", "/", "~")):
            raise UserError(f"model folder {source} does not exist; correct the path or give a Hub id (owner/name)")
        return None
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"model folder {source} has its weights as a pickle ({pickles[0]}), which is never loaded; "
            "convert it to safetensors (model.save_pretrained) on a machine where you trust the file"
        )
    return folder


def _explain(source: str, folder: Path | None, revision: str, error: Exception) -> str:
    reason = str(error).strip().split("\n", maxsplit=1)[0]
    if folder:
        return f"model folder {source} could not be read ({reason}); it needs config, tokenizer and safetensors"
    return (
        f"model {source} at revision {revision} could not be loaded ({reason}); where there is internet run "
        f"`hf download {source} --revision {revision}` first, or give a local folder with safetensors weights"
    )


def _fit_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise UserError(
            f"model {source}: tokenizer has {len(tokenizer)} tokens but the model embeds {rows}; "
            "use the tokenizer that belongs to the model"
        )
    mark_real_vocabulary(model, len(tokenizer))
