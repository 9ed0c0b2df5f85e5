"""What ``rlhf evaluate`` is given, as a form."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen, UserError
from tasks.evaluation.judges.settings import JudgeSettings

Kind = Literal["run", "model", "outputs", "endpoint"]
RUN_ID = re.compile(r"[0-9a-f]{32}")
OUTPUTS = (".jsonl", ".json", ".csv", ".parquet")


class Subject(Frozen):
    """The model under evaluation: where its answers come from."""

    source: str = Field(
        "", max_length=4000, description="MLflow run id of an earlier training, model folder, Hub id, file of outputs "
        "(JSONL, JSON, CSV, Parquet; also .gz), or base URL of an OpenAI-compatible server",
    )  # fmt: skip
    kind: Literal["auto", "run", "model", "outputs", "endpoint"] = Field(
        "auto", description="What the source is; auto tells it by its looks"
    )
    reference: str = Field(
        "", max_length=4000, description="Folder or Hub id of the reference policy, where rewards are log-ratios to it"
    )
    response_column: str = Field(
        "", max_length=200, description="Column of a file of outputs, dots lead inside objects; empty: the usual names"
    )
    id_column: str = Field(
        "", max_length=200, description="Column that names the question in a file of outputs; empty: the usual names"
    )


def kind_of(subject: Subject) -> Kind:
    """What the source is. Raises UserError if it can be nothing that is known."""
    source = subject.source
    if not source:
        raise UserError("there is nothing to evaluate; give an MLflow run id, a model folder, a Hub id, a file of "
                        "outputs or the URL of an endpoint")  # fmt: skip
    if subject.kind != "auto":
        return subject.kind
    if RUN_ID.fullmatch(source):
        return "run"
    if source.startswith(("http://", "https://")):
        return "endpoint"
    path = Path(source).expanduser()
    if path.is_file() or source.removesuffix(".gz").endswith(OUTPUTS):
        if not path.is_file():
            raise UserError(f"{source}: no such file of outputs")
        return "outputs"
    if path.is_dir() or re.fullmatch(r"[\w.-]+(/[\w.-]+)?", source):
        return "model"
    raise UserError(f"{source}: no MLflow run id, folder, Hub id, file of outputs or URL; correct it")


def endpoint_of(subject: Subject, endpoint: JudgeSettings) -> JudgeSettings:
    """How the served model is reached. Raises UserError if it has no name."""
    if not endpoint.model:
        raise UserError(f"{subject.source}: which of its models? Give --set endpoint.model=NAME")
    return endpoint.model_copy(update={"kind": "endpoint", "base_url": subject.source.rstrip("/")})
