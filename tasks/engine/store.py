"""The artifact store: content-addressed folders behind any fsspec URL.

A folder is written under a temporary name, flushed, and renamed to a name made of its content's digest;
``manifest.json`` lists the digest of every file and is written last, so a folder without it does not exist.
Every read verifies the digests. Where the file system cannot rename a folder in one step (object stores),
the manifest written last gives the same guarantee.
"""

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.engine.files import folder_manifest, fsync_folder, fsync_tree, manifest_digest, write_json
from tasks.engine.home import home, store_url
from tasks.engine.refs import Ref
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_run_key

MANIFEST = "manifest.json"
R = TypeVar("R", bound=Ref)


class CorruptArtifact(UserError):
    """An artifact's bytes no longer match its digest; it has been set aside so that a re-run rebuilds it."""


class MissingArtifact(UserError):
    """A reference points to nothing in this store."""


class Store:
    """Artifacts below one fsspec URL. ``Store()`` is the store of the working folder."""

    def __init__(self, url: str = "") -> None:
        self.url = url or store_url()
        self.fs, root = fsspec.core.url_to_fs(self.url)
        self.root: str = root.rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)
        self._verified: set[str] = set()

    def write(self, ref_type: type[R], fill: Callable[[Path], None], **facts: Any) -> R:
        """Store the folder that ``fill`` writes and return its reference.

        Raises UserError when the store cannot be written; nothing is left behind then.
        """
        staging = self._staging_folder()
        try:
            fill(staging)
            manifest = folder_manifest(staging)
            size = sum((staging / name).stat().st_size for name in manifest)
            ref = ref_type(digest=manifest_digest(manifest), bytes=size, made_by=current_run_key(), **facts)
            write_json(staging / MANIFEST, manifest)
            self._publish(staging, ref)
            return ref
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def check_writable(self) -> None:
        """Raise UserError now if an artifact could not be written later."""
        try:
            probe = f"{self.root}/.probe-{uuid.uuid4().hex}"
            self.fs.makedirs(self.root, exist_ok=True)
            self.fs.pipe_file(probe, b"")
            self.fs.rm_file(probe)
        except OSError as error:
            raise self._unwritable(error) from error

    def exists(self, ref: Ref) -> bool:
        """Whether the artifact is whole and every byte of it is as written."""
        try:
            self.open(ref)
        except (CorruptArtifact, MissingArtifact):
            return False
        return True

    def open(self, ref: Ref) -> Path:
        """A local folder with the artifact's verified files. Do not write to it.

        Raises MissingArtifact or CorruptArtifact (a UserError each) naming the artifact and what to do.
        """
        folder = Path(self._address(ref)) if self.local else home() / "downloads" / ref.path
        whole = ref.path in self._verified or _matches(folder, ref)
        if not whole and not self.local:
            self._download(ref, folder)
            whole = _matches(folder, ref)
        if not (folder / MANIFEST).is_file():
            raise MissingArtifact(f"{self._address(ref)}: no such artifact; run again to rebuild it")
        if not whole:
            self._set_aside(ref, folder)
            raise CorruptArtifact(
                f"{self._address(ref)}: content does not match its digest (damaged on disk?); "
                "it was set aside, run again to rebuild it"
            )
        self._verified.add(ref.path)
        return folder

    def _address(self, ref: Ref) -> str:
        return f"{self.root}/{ref.path}"

    def _staging_folder(self) -> Path:
        try:
            if self.local:
                parent = Path(self.root) / "tmp"
                parent.mkdir(parents=True, exist_ok=True)
                return Path(tempfile.mkdtemp(dir=parent))
            return Path(tempfile.mkdtemp())
        except OSError as error:
            raise self._unwritable(error) from error

    def _publish(self, staging: Path, ref: Ref) -> None:
        target = self._address(ref)
        if self.fs.exists(f"{target}/{MANIFEST}"):
            return
        if self.local:
            fsync_tree(staging)
            _put_in_place(staging, Path(target))
            fsync_folder(Path(target).parent)
            return
        names = [path.relative_to(staging).as_posix() for path in sorted(staging.rglob("*")) if path.is_file()]
        for name in [*(name for name in names if name != MANIFEST), MANIFEST]:
            self.fs.makedirs(f"{target}/{name}".rpartition("/")[0], exist_ok=True)
            self.fs.put_file(str(staging / name), f"{target}/{name}")

    def _download(self, ref: Ref, folder: Path) -> None:
        if not self.fs.exists(f"{self._address(ref)}/{MANIFEST}"):
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            for name in [*json.loads(self.fs.cat_file(f"{self._address(ref)}/{MANIFEST}")), MANIFEST]:
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(f"{self._address(ref)}/{name}", str(staging / name))
            _put_in_place(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _set_aside(self, ref: Ref, folder: Path) -> None:
        grave = home() / "damaged" / f"{ref.digest[:16]}-{uuid.uuid4().hex[:8]}"
        grave.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.move(folder, grave)
            if not self.local:
                self.fs.rm(self._address(ref), recursive=True)

    def _unwritable(self, error: OSError) -> UserError:
        reason = error.strerror or str(error)
        return UserError(f"{self.url}: the artifact store cannot be written ({reason}); free it or set RLHF_STORE")


def _matches(folder: Path, ref: Ref) -> bool:
    """Whether the files of ``folder`` are those of ``ref``; another process may be setting them aside meanwhile."""
    try:
        return manifest_digest(folder_manifest(folder, frozenset({MANIFEST}))) == ref.digest
    except FileNotFoundError:
        return False


def _put_in_place(staging: Path, target: Path) -> None:
    """Rename ``staging`` to ``target`` in one step; what another writer has put there first stays.

    Nothing is ever deleted in place: a folder without a manifest is renamed away first, so that a writer that comes
    between two steps of another one never finds its own whole folder emptied.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    while not (target / MANIFEST).is_file():
        with suppress(OSError):
            staging.rename(target)
            return
        if not target.exists():
            staging.rename(target)
            return
        _move_broken(target)


def _move_broken(target: Path) -> None:
    """Rename a folder without a manifest out of the way, unless a whole one has taken its place meanwhile."""
    if (target / MANIFEST).is_file():
        return
    aside = target.with_name(f".broken-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        target.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
