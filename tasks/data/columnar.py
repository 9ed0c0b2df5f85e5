"""Parquet and Arrow files, and folders written by ``save_to_disk``, read through ``datasets``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.data.located import LocatedRow
from tasks.engine.schema import UserError

BUILDERS = {".parquet": "parquet", ".arrow": "arrow"}
SAVED_MARKS = ("state.json", "dataset_dict.json")


def is_saved_folder(path: Path) -> bool:
    """Whether ``save_to_disk`` of a data set or of a dictionary of splits wrote this folder."""
    return any((path / mark).is_file() for mark in SAVED_MARKS)


def read_columnar(path: Path) -> Iterator[LocatedRow]:
    """Stream the rows of a ``.parquet`` or ``.arrow`` file (IPC file or stream), without a cached copy.

    Raises:
        UserError: the file is damaged or of another format.
    """
    import pyarrow
    from datasets import load_dataset

    builder = BUILDERS[path.suffix]
    try:
        rows = load_dataset(builder, data_files=str(path.resolve()), split="train", streaming=True)
        for number, fields in enumerate(rows, start=1):
            yield LocatedRow(str(path), number, fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable {builder} file ({one_line(error)}); write it again") from error


def read_saved_folder(path: Path, split: str) -> Iterator[LocatedRow]:
    """Rows of a folder written by ``save_to_disk``; of a dictionary of splits, ``split`` or ``train``.

    Raises:
        UserError: the folder is damaged or lacks the split.
    """
    from datasets import load_from_disk

    try:
        saved = load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a readable data set ({one_line(error)}); save it again") from error
    return located_rows(choose_split(saved, path, split), str(path))


def choose_split(saved: Any, path: Path, split: str) -> Any:
    """One split of a saved dictionary; a saved data set is its own only split."""
    if not isinstance(saved, dict):
        return saved
    wanted = split or "train"
    if wanted not in saved:
        raise UserError(f"{path}: no split {wanted!r}, only {', '.join(saved)}; set split")
    return saved[wanted]


def located_rows(rows: Any, name: str) -> Iterator[LocatedRow]:
    """Number rows from 1."""
    return (LocatedRow(name, number, fields) for number, fields in enumerate(rows, start=1))


def one_line(error: BaseException) -> str:
    """An error's message without line breaks, at most 300 characters."""
    return " ".join(str(error).split())[:300]
