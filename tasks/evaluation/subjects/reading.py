"""What a subject's files hold right now: the part of it that its name does not tell."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.engine.files import file_digest
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
    """Digest of the suite's files, so that other questions are another input. Raises UserError if one is missing."""
    return digest_of([file_digest(path) for path in suite.files()])
