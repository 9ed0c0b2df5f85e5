"""What a subject's files hold right now: the part of it that its name does not tell."""

import gzip
import hashlib
import zlib
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.engine.files import file_digest
from tasks.engine.schema import UserError
from tasks.evaluation.score_identity import digest_of
from tasks.evaluation.subjects.outputs import OutputsFile, read_outputs
from tasks.evaluation.subjects.subject import Subject
from tasks.evaluation.suites.suite import Suite


@task(cache_policy=NO_CACHE)
def identify_outputs(subject: Subject) -> OutputsFile:
    """The file of outputs with its digest. Raises UserError if it holds no rows."""
    path = Path(subject.source).expanduser().absolute()
    outputs = OutputsFile(
        path=str(path),
        digest=file_digest(path),
        response_column=subject.response_column,
        id_column=subject.id_column,
    )
    read_outputs(outputs)
    return outputs


@task(cache_policy=NO_CACHE)
def identify_suite(suite: Suite) -> str:
    """Digest of the suite's files, so that other questions are another input. Raises UserError if one is missing.

    A gzipped file has the digest of what it holds.
    """
    return digest_of([content_digest(path) for path in suite.files()])


def content_digest(path: Path) -> str:
    """SHA-256 of a file, or of what it holds gzipped. Raises UserError for damaged gzip."""
    if path.suffix != ".gz":
        return file_digest(path)
    try:
        with gzip.open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path}: damaged or cut-off gzip file ({error}); fetch it again") from error
