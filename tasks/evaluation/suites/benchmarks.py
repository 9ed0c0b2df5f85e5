"""The benchmarks that every arm of a paper is put through beside the paper's own measurements."""

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.suites.catalog import SuiteName, Suites, chosen_suites
from tasks.evaluation.suites.suite import Suite
from tasks.models.decoding import Decoding


class Benchmarks(Frozen):
    """Suites with the settings of their protocols, each with what all of them share."""

    suites: list[SuiteName] = Field([], max_length=100, description="Suites, e.g. gsm8k; none by default")
    data: str = Field("", max_length=4000, description="Folder with the suites' files; empty: from the Hub")
    limit: int = Field(0, ge=0, le=10_000_000, description="Only the first questions of every suite; 0: all")
    judge: JudgeSettings = Field(JudgeSettings(), description="Who compares and grades")
    decoding: Decoding = Field(
        Decoding(temperature=0.0, max_new_tokens=1024), description="How responses are drawn where a suite does not say"
    )

    def chosen(self) -> list[Suite]:
        """The suites, ready to be asked."""
        return chosen_suites(Suites(), self.suites, self.data, self.limit)
