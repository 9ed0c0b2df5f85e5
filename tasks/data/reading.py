"""From a configured path to located rows: files, folders, globs and Hub data sets."""

import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from tasks.data.columnar import BUILDERS, is_saved_folder, read_columnar, read_saved_folder
from tasks.data.hub_source import read_hub
from tasks.data.json_lines import read_json_lines
from tasks.data.located import LocatedRow
from tasks.data.source import DataSource
from tasks.engine.schema import UserError

JSON_LINES = (".jsonl", ".jsonl.gz")
SUFFIXES = (*JSON_LINES, *BUILDERS)
ACCEPTED = f"a {', '.join(SUFFIXES)} file, a folder or glob of them, a save_to_disk folder, or a Hub id org/name"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def read_rows(source: DataSource) -> Iterator[LocatedRow]:
    """Rows of a source in a fixed order: files by name, rows as they stand, at most ``source.limit``.

    Raises:
        UserError: nothing at the path, an unreadable file, or a Hub data set that cannot be had.
    """
    rows = all_rows(source)
    return islice(rows, source.limit) if source.limit else rows


def all_rows(source: DataSource) -> Iterator[LocatedRow]:
    """Rows of a source without the limit."""
    path = Path(source.path).expanduser()
    if not source.path:
        raise UserError(f"data.path is empty; give {ACCEPTED}")
    if path.is_dir() and is_saved_folder(path):
        return read_saved_folder(path, source.split)
    if is_hub_id(source.path):
        return read_hub(source)
    return chain.from_iterable(read_file(file) for file in files_of(source))


def is_hub_id(path: str) -> bool:
    """``org/name`` that is no local path and has no data file's ending."""
    return bool(HUB_ID.fullmatch(path)) and not path.endswith(SUFFIXES) and not Path(path).exists()


def files_of(source: DataSource) -> list[Path]:
    """Data files at a local path, sorted by name; of a folder, those whose relative path names the split."""
    path = Path(source.path).expanduser()
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = files_of_split(path, source.split)
    else:
        found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not found:
        raise UserError(f"{source.path}: nothing there; data.path takes {ACCEPTED}")
    for file in found:
        if not file.name.endswith(SUFFIXES):
            raise UserError(f"{file}: unknown kind of file; data.path takes {ACCEPTED}")
    return found


def files_of_split(folder: Path, split: str) -> list[Path]:
    """Data files below a folder; with a split, those with its name as a word (``train-00000.parquet``)."""
    files = sorted(file for file in folder.rglob("*") if file.name.endswith(SUFFIXES))
    word = re.compile(rf"(?<![a-zA-Z0-9]){re.escape(split)}(?![a-zA-Z0-9])")
    chosen = [file for file in files if word.search(str(file.relative_to(folder)))] if split else files
    if files and not chosen:
        names = ", ".join(str(file.relative_to(folder)) for file in files[:8])
        raise UserError(f"{folder}: no file names the split {split!r} (files: {names}); set split")
    return chosen


def read_file(path: Path) -> Iterator[LocatedRow]:
    """Rows of one local file, by its ending."""
    return read_json_lines(path) if path.name.endswith(JSON_LINES) else read_columnar(path)
