"""A bar for every stage that is running; lines instead of bars where nobody watches a terminal."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from flows.cli.output import messages


@contextmanager
def progress_bars(title: str) -> Iterator[None]:
    """Show the progress of every stage that is submitted inside."""
    from tasks.engine.progress import listener

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=messages, transient=True) as progress:
        token = listener.set(StageBars(progress, messages, title).update)
        try:
            yield
        finally:
            listener.reset(token)


class StageBars:
    """Bars by stage label; stages report from several threads."""

    def __init__(self, progress: Progress, console: Console, title: str) -> None:
        self._progress = progress
        self._console = console
        self._guard = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._done: set[str] = set()
        self._whole = progress.add_task(title, total=None, unit="stages computed")

    def update(self, label: str, done: int, total: int, unit: str) -> None:
        """Move the bar of ``label``; a full one goes."""
        with self._guard:
            if done < total:
                self._done.discard(label)
                if label not in self._bars:
                    self._bars[label] = self._progress.add_task(label, total=total, unit=unit)
                self._progress.update(self._bars[label], completed=done)
            elif label not in self._done:
                self._done.add(label)
                self._finish(label, total, unit)

    def _finish(self, label: str, total: int, unit: str) -> None:
        if label in self._bars:
            self._progress.remove_task(self._bars.pop(label))
        self._progress.advance(self._whole)
        if not self._console.is_terminal:
            self._console.print(f"{label}: {total} {unit}", highlight=False)
