"""Files that are whole or absent: fsync before rename, digests of folders."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def fsync_folder(folder: Path) -> None:
    """Make renames and new names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Flush every file below ``folder``, and the folder itself, to disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    fsync_folder(folder)


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` as JSON in one step; a reader sees the old text or the new, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as stream:
        json.dump(value, stream, allow_nan=False)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_manifest(folder: Path, leave_out: frozenset[str] = frozenset()) -> dict[str, str]:
    """Digest of every file below ``folder`` by its relative path, sorted; ``leave_out`` names are skipped."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    relative = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: file_digest(path) for name, path in sorted(relative.items()) if name not in leave_out}


def manifest_digest(manifest: dict[str, str]) -> str:
    """One digest for a whole folder: SHA-256 of its manifest."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
