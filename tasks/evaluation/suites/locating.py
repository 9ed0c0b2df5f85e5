"""Where a suite's files are: at a path, in the evaluation's data folder, or on the Hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.data.columnar import one_line
from tasks.engine.schema import UserError


@dataclass(frozen=True)
class PublicFile:
    """A file that a benchmark has published."""

    names: tuple[str, ...]
    """Names under which it is accepted in a folder, the usual first; with or without ``.gz``."""
    repository: str
    """Data set of the Hub, e.g. ``openai/gsm8k``; empty if it is not there."""
    hub_path: str = ""
    """Path in that repository."""
    origin: str = ""
    """Where else it can be had, for the message."""
    repository_type: Literal["dataset", "space"] = "dataset"
    """What the repository is on the Hub."""
    folder: str = ""
    """Folder of the benchmark in a data folder, where that is not the suite's name."""


def locate(suite: str, data: str, wanted: PublicFile) -> Path:
    """The file: ``data`` itself, below the folder ``data`` (first in ``data/<suite>``), else fetched from the Hub.

    Raises UserError that names the file wanted, where it was looked for and where it can be had.
    """
    found = find_local(suite, data, wanted)
    if found:
        return found
    reason = f"not in {data}" if data else "no data folder was given"
    if wanted.repository and not data:
        return fetch(suite, wanted)
    raise UserError(f"{suite}: {describe(wanted)} is wanted, and {reason}{advice(wanted)}")


def find_local(suite: str, data: str, wanted: PublicFile) -> Path | None:
    """The file at or below ``data``, or None. Raises UserError if there is nothing at ``data``."""
    if not data:
        return None
    root = Path(data).expanduser()
    if root.is_file():
        return root if root.name.removesuffix(".gz") in {name.removesuffix(".gz") for name in wanted.names} else None
    if not root.is_dir():
        raise UserError(f"{suite}: no file or folder {data}; {describe(wanted)} is wanted{advice(wanted)}")
    names = [candidate for name in wanted.names for candidate in (name, f"{name}.gz")]
    for folder in (*folders_named(root, wanted.folder or suite), root):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


def folders_named(root: Path, name: str) -> list[Path]:
    """Folders in ``root`` with that name, however it is written: ``truthful_qa``, ``TruthfulQA``, ``truthful-qa``."""
    plain = _plain(name)
    return sorted(path for path in root.iterdir() if path.is_dir() and _plain(path.name) == plain)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def fetch(suite: str, wanted: PublicFile) -> Path:
    """The file from the Hub or its cache. Raises UserError if neither has it."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(
            hf_hub_download(wanted.repository, wanted.hub_path, repo_type=wanted.repository_type, etag_timeout=10.0)
        )
    except Exception as error:
        raise UserError(
            f"{suite}: {describe(wanted)} is wanted; no data folder was given, and the Hub does not answer "
            f"({one_line(error)[:120]}){advice(wanted)}"
        ) from error


def describe(wanted: PublicFile) -> str:
    """The file by its names."""
    return " or ".join(wanted.names)


def advice(wanted: PublicFile) -> str:
    """How to get the file."""
    ways = ["; give a folder with it (--data)"]
    if wanted.repository:
        fetched = f"hf download --repo-type {wanted.repository_type} {wanted.repository} {wanted.hub_path}"
        ways.append(f"run `{fetched}` where there is a network")
    if wanted.origin:
        ways.append(f"or fetch it from {wanted.origin}")
    return ", ".join(ways)
