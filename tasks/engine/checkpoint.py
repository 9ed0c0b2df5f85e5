"""Training state on disk: model, optimiser, schedule, RNG and position, whole or absent, never pickled.

A checkpoint is a folder ``step-00000050`` with safetensors and JSON, written under another name, flushed and
renamed. One whose manifest does not match its files is passed over in favour of the one before it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tasks.engine.files import folder_manifest, fsync_folder, fsync_tree, write_json

KEEP = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Position:
    """Where training stood: optimiser steps done, and what the loop wants back (JSON, tensors)."""

    step: int
    extra: dict[str, Any]
    tensors: dict[str, Tensor]


def save_checkpoint(
    folder: Path,
    step: int,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    extra: Mapping[str, Any],
    tensors: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the state after ``step`` optimiser steps below ``folder`` and prune all but the last ``KEEP``."""
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / f".new-{step:08d}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    save_file(_trainable(model), staging / "model.safetensors")
    moments, values = _flatten_optimizer(optimizer)
    save_file(moments, staging / "optimizer.safetensors")
    save_file({name: value.contiguous() for name, value in (tensors or {}).items()}, staging / "extra.safetensors")
    save_file(_rng_states(), staging / "rng.safetensors")
    schedule = {name: value for name, value in scheduler.state_dict().items() if _is_json(value)}
    state = {"step": step, "optimizer": values, "scheduler": schedule, "extra": dict(extra)}
    write_json(staging / "state.json", state)
    write_json(staging / MANIFEST, folder_manifest(staging))
    fsync_tree(staging)
    target = folder / f"step-{step:08d}"
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)
    fsync_folder(folder)
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old)


def restore_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler) -> Position | None:
    """Load the newest whole checkpoint below ``folder`` into the given objects; None if there is none."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        if not is_whole(path):
            continue
        _load_trainable(model, load_file(path / "model.safetensors"))
        state = json.loads((path / "state.json").read_text())
        optimizer.load_state_dict(_unflatten_optimizer(load_file(path / "optimizer.safetensors"), state["optimizer"]))
        scheduler.load_state_dict(state["scheduler"])
        _restore_rng(load_file(path / "rng.safetensors"))
        return Position(state["step"], state["extra"], load_file(path / "extra.safetensors"))
    return None


def is_whole(path: Path) -> bool:
    """Whether every file of a checkpoint is there with the bytes that were written."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return bool(manifest == folder_manifest(path, frozenset({MANIFEST})))


def discard_checkpoints(folder: Path) -> None:
    """Remove every checkpoint below ``folder``: the stage has its result."""
    shutil.rmtree(folder, ignore_errors=True)


def _trainable(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().contiguous() for name, value in model.named_parameters() if value.requires_grad}


def _load_trainable(model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad:
                value.copy_(saved[name])


def _flatten_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.contiguous()
            else:
                values.setdefault(str(index), {})[name] = value
    return tensors, {"values": values, "param_groups": state["param_groups"]}


def _unflatten_optimizer(tensors: Mapping[str, Tensor], saved: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in saved["values"].items()}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": saved["param_groups"]}


def _rng_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _restore_rng(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    cuda = [states[name] for name in sorted(states) if name.startswith("cuda.")]
    if cuda and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(cuda)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
