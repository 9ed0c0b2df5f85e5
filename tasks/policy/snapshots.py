"""Checkpoints that a training run keeps as artifacts along its way."""

import json
from pathlib import Path

from torch import nn
from transformers import PreTrainedTokenizerBase

from tasks.engine.files import write_json
from tasks.engine.refs import Checkpoint, CheckpointSeries
from tasks.engine.store import Store
from tasks.engine.tracking import Tracker
from tasks.models.loading import save_model
from tasks.policy.loop import parameter_count


class Snapshots:
    """Stores the model after chosen optimiser steps; what was stored before a kill is remembered."""

    def __init__(self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, tracker: Tracker) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._list = tracker.work / "snapshots.json"
        tracker.metrics({"model/parameters": parameter_count(model)}, 0)

    def take(self, step: int) -> None:
        """Store the model as it is after ``step`` steps."""

        def fill(folder: Path) -> None:
            save_model(self._model, self._tokenizer, folder)

        ref = Store().write(Checkpoint, fill, parameters=parameter_count(self._model))
        write_json(self._list, self._stored() | {str(step): ref.model_dump(mode="json")})

    def series(self, steps: list[int]) -> CheckpointSeries:
        """The snapshots taken at ``steps``, in their order."""
        stored = self._stored()
        return CheckpointSeries(
            steps=steps, checkpoints=[Checkpoint.model_validate(stored[str(step)]) for step in steps]
        )

    def _stored(self) -> dict[str, dict[str, object]]:
        return json.loads(self._list.read_text()) if self._list.exists() else {}
