"""What a path or Hub id holds right now, as a digest: the part of a source that its name does not tell."""

import hashlib
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.data.hub_source import current_commit, is_offline
from tasks.data.reading import files_of, is_hub_id
from tasks.data.source import DataSource
from tasks.engine.files import file_digest, folder_manifest, manifest_digest


@task(cache_policy=NO_CACHE)
def identify_source(source: DataSource) -> str:
    """Digest of the source's files, or the Hub commit; stages take it as an input, so a changed file is noticed.

    Raises UserError, before anything is computed, if there is nothing at the path.
    """
    if is_hub_id(source.path):
        return source.revision if is_offline(source) else current_commit(source)
    if Path(source.path).is_dir():
        return manifest_digest(folder_manifest(Path(source.path)))
    digests = [file_digest(path) for path in files_of(source)]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


@task(cache_policy=NO_CACHE)
def identify_model(path: str) -> str:
    """Digest of a local model folder; empty for a Hub id, whose revision is part of the configuration."""
    folder = Path(path).expanduser()
    return manifest_digest(folder_manifest(folder)) if folder.is_dir() else ""
