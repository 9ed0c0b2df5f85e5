"""Which weights a folder or Hub id stands for, found out without loading them."""

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.data.columnar import one_line
from tasks.engine.files import file_digest, manifest_digest
from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

READ = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
"""The files of a model's folder that decide what it says."""
REWARD_HEAD = "ForSequenceClassification"


def weights_version(source: str, revision: str) -> str:
    """Sixteen hexadecimal digits of a folder's files, or the commit of a Hub id.

    Raises UserError if there is no such folder, no safetensors in it, or the Hub id is out of reach.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not any(folder.glob("*.safetensors")):
            raise UserError(f"judge: model folder {source} holds no safetensors; give one that does (save_pretrained)")
        files = sorted({path for pattern in READ for path in folder.glob(pattern)})
        return manifest_digest({path.name: file_digest(path) for path in files})[:16]
    return str(getattr(read_config(source, revision), "_commit_hash", None) or revision)


def weights_name(source: str) -> str:
    """The Hub id, or a folder's own name: where it lies is no part of a score's identity."""
    folder = Path(source).expanduser()
    return folder.resolve().name if folder.is_dir() else source


def is_reward_model(source: str, revision: str) -> bool:
    """Whether the weights have a classification head. Raises UserError if they are out of reach."""
    return any(name.endswith(REWARD_HEAD) for name in read_config(source, revision).architectures or [])


def read_config(source: str, revision: str) -> "PretrainedConfig":
    """The model's configuration. Raises UserError if there is none at ``source``."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(
            str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else source,
            revision=revision or "main",
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"judge: no model at {source!r} ({one_line(error)[:160]}); give a folder with config.json and safetensors, "
            f"or a Hub id (where there is a network: `hf download {source}`)"
        ) from error
