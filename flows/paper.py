"""What the catalog knows of a paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.evaluation.claims import Claim
from tasks.evaluation.suites.benchmarks import Benchmarks


class PaperConfig(Frozen):
    """What every paper's configuration has; the form in Prefect's UI is drawn from the paper's own model."""

    scale: str = Field(
        "laptop", pattern="^(smoke|laptop|gpu|cluster)$", description="Name of the scale these values are for",
        json_schema_extra={"presentation": True},
    )  # fmt: skip
    seeds: list[Annotated[int, Field(ge=0, le=2**32 - 1)]] = Field(
        [0, 1, 2], min_length=1, max_length=100, description="One matched repetition of every arm a seed"
    )
    benchmarks: Benchmarks = Field(Benchmarks(), description="Suites that every arm is put through as well")


@dataclass(frozen=True)
class Paper:
    """A paper as the command line, the deployments and the documentation see it."""

    key: str
    title: str
    arxiv: str
    family: str
    summary: str
    """The paper's idea in two sentences."""
    flow: str
    """``module:function`` of the Prefect flow; its one parameter is ``config``."""
    config: type[PaperConfig]
    arms: Mapping[str, str]
    """Arm → what it is."""
    claims: tuple[Claim, ...]
    minutes: Mapping[str, float]
    """Scale → rough wall-clock minutes of a first run on that scale's machine (laptop: two CPU cores)."""
