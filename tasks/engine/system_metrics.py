"""CPU, memory, disk, network and accelerator use of the machine, under the names MLflow draws a page for."""

import math
import threading
from types import TracebackType
from typing import Any

from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

from tasks.engine.tracking import Tracker

SAMPLE_SECONDS = 5.0


def _monitors() -> list[Any]:
    monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        monitors.append(GPUMonitor())
    except (ImportError, RuntimeError):
        pass
    return monitors


class SystemMetrics:
    """Samples the machine every few seconds into ``tracker`` while open; spooled like every other metric."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="system-metrics", daemon=True)

    def __enter__(self) -> "SystemMetrics":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        monitors = _monitors()
        step = 0
        while not self._stop.wait(SAMPLE_SECONDS):
            values: dict[str, float] = {}
            for monitor in monitors:
                monitor.collect_metrics()
                values |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
            self._tracker.metrics({name: value for name, value in values.items() if math.isfinite(value)}, step)
            step += 1
