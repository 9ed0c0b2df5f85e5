"""Data sets of the Hugging Face Hub, read over the network or from the local cache alone.

Whatever goes wrong below ``datasets`` or the Hub's client is the user's to see in one line; their errors
cannot be listed, since the client's HTTP library, and with it the classes, changes between versions.
"""

from collections.abc import Iterator

from tasks.data.columnar import located_rows, one_line
from tasks.data.located import LocatedRow
from tasks.data.source import DataSource
from tasks.engine.schema import UserError

TIMEOUT_SECONDS = 10.0


def read_hub(source: DataSource) -> Iterator[LocatedRow]:
    """Rows of a split (``train`` unless set); rows are named ``org/name@commit:split`` and numbered from 1.

    Raises:
        UserError: no network, unknown repository, revision, configuration or split; or not in the cache when
            offline. Says which, and how to fetch the data set beforehand.
    """
    offline = is_offline(source)
    folder = cached_folder(source) if offline else source.path
    commit = folder.rsplit("/", maxsplit=1)[-1] if offline else current_commit(source)
    try:
        yield from load(folder, source, commit, offline)
    except Exception as error:
        raise UserError(
            f"{source.path}: cannot be loaded ({one_line(error)}); check split, config_name and revision, or "
            f"run `{prefetch_command(source)}` again"
        ) from error


def load(path: str, source: DataSource, commit: str, cached: bool) -> Iterator[LocatedRow]:
    """Number the rows that ``datasets`` finds in a cached folder, or on the Hub (which fills the cache)."""
    from datasets import load_dataset

    split = source.split or "train"
    rows = load_dataset(
        path,
        name=source.config_name or None,
        split=split,
        revision=None if cached else source.revision or None,
        streaming=cached,
    )
    return located_rows(rows, f"{source.path}@{commit[:8]}:{split}")


def is_offline(source: DataSource) -> bool:
    """Whether the configuration or ``HF_HUB_OFFLINE`` or ``HF_DATASETS_OFFLINE`` forbids the network."""
    from datasets import config
    from huggingface_hub import constants

    return bool(source.offline or constants.HF_HUB_OFFLINE or config.HF_HUB_OFFLINE)


def prefetch_command(source: DataSource) -> str:
    """The command that puts the data set into the local cache."""
    revision = f" --revision {source.revision}" if source.revision else ""
    return f"hf download --repo-type dataset {source.path}{revision}"


def cached_folder(source: DataSource) -> str:
    """Folder of the data set's snapshot in the Hub cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot_download(
            source.path, repo_type="dataset", revision=source.revision or None, local_files_only=True
        )
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{source.path}: no such local path, and not in the Hub cache while offline; where there is a "
            f"network run `{prefetch_command(source)}`"
        ) from error


def current_commit(source: DataSource) -> str:
    """Commit of the wanted revision: one short request, so that a missing network is noticed at once."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(source.path, revision=source.revision or None, timeout=TIMEOUT_SECONDS)
    except GatedRepoError as error:
        raise UserError(f"{source.path}: gated on the Hub; accept its terms there, then `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{source.path}: neither a local path nor a data set on the Hub; check data.path, or `hf auth "
            "login` if it is private"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{source.path}: no revision {source.revision!r} on the Hub; set revision") from error
    except Exception as error:
        raise UserError(
            f"{source.path}: the Hub cannot be reached ({one_line(error)}); where there is a network run "
            f"`{prefetch_command(source)}`, then set offline: true"
        ) from error
    return info.sha or ""
