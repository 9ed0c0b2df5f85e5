"""How far each stage is: to whoever listens in this process, and to a progress artifact in Prefect."""

import json
import logging
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException

ARTIFACT_SECONDS = 10.0

logger = logging.getLogger(__name__)

Listener = Callable[[str, int, int, str], None]
listener: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)
"""Called with (stage label, done, total, unit) from any stage that is submitted while it is set."""


class StageProgress:
    """Follows the progress file of one running stage."""

    def __init__(self, label: str, work: Path) -> None:
        self.label = label
        self._path = work / "progress.json"
        self._artifact: UUID | None = None
        self._last_update = 0.0
        self._path.unlink(missing_ok=True)

    def poll(self) -> None:
        """Pass on the latest progress, if any was made."""
        try:
            state = json.loads(self._path.read_text())
        except FileNotFoundError:
            return
        self.report(state["done"], state["total"], state["unit"])

    def report(self, done: int, total: int, unit: str) -> None:
        """Tell the listener now, and Prefect every few seconds and at the end."""
        listen = listener.get()
        if listen is not None:
            listen(self.label, done, total, unit)
        if done < total and time.monotonic() - self._last_update < ARTIFACT_SECONDS:
            return
        self._last_update = time.monotonic()
        try:
            self._update_artifact(100.0 * done / max(total, 1), unit)
        except (httpx.HTTPError, PrefectException) as error:
            logger.warning("Prefect did not take the progress of %s: %s", self.label, error)

    def _update_artifact(self, percent: float, unit: str) -> None:
        if self._artifact is None:
            key = "progress-" + re.sub(r"[^a-z0-9]+", "-", self.label.lower()).strip("-")
            description = f"{self.label} ({unit})"
            self._artifact = cast(UUID, create_progress_artifact(percent, key=key, description=description))
        else:
            update_progress_artifact(self._artifact, percent)
