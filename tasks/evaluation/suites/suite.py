"""The one thing that suites share: questions out, answers in, scores out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import pandas as pd
from pydantic import Field

from tasks.data.rows import Message
from tasks.engine.schema import Frozen
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions


@dataclass(frozen=True)
class Question:
    """One thing that a model is asked: to continue a prompt, or to score candidates.

    ``prompt`` is a conversation that ends in a user turn, or raw text to continue (few-shot and completion
    protocols). With ``candidates`` nothing is generated: the answer is one score a candidate, in their order.
    """

    prompt_id: str
    prompt: Sequence[Message] | str
    candidates: Sequence[str] = ()
    stop: Sequence[str] = ()
    """A response is cut before the first of these strings."""
    temperature: float | None = None
    """None: as the evaluation decodes. A number where the benchmark's protocol fixes it."""
    max_new_tokens: int | None = None
    """None: as the evaluation decodes."""
    samples: int = 1
    by_reward: bool = False
    """Candidates are ranked by a reward: a policy with a reference answers with log-ratios, and not with log pi."""
    aliases: Sequence[str] = ()
    """Other names under which a file of outputs may hold the answer (a row number, the bare question)."""


@dataclass(frozen=True)
class Answer:
    """What a model answered: ``responses``, one a sample, or ``scores``, one a candidate.

    A score is log pi summed over the candidate's tokens, in nats; EOS is among them where the prompt is a conversation,
    and is not where it is raw text. Of a reward model it is its reward.
    """

    prompt_id: str
    responses: Sequence[str] = ()
    scores: Sequence[float] = ()
    finished: Sequence[bool] = ()
    """Whether each response ended before the limit of tokens; empty where it is not known."""
    tokens: Sequence[int] = ()
    """Tokens of each response or candidate; empty where they are not known."""


Answers = Mapping[str, Answer]


@dataclass(frozen=True)
class Aggregate:
    """One number of a suite's report, with its uncertainty; in the unit that its metric is registered with."""

    metric: str
    value: float
    standard_error: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    """Two-sided 95 % interval, unless ``method`` says otherwise."""
    n: int = 0
    """Prompts (or pairs) behind the number."""
    method: str = ""
    """How value and interval were made."""
    group: str = ""
    """A category, section or turn of the benchmark; empty for the whole."""


@dataclass(frozen=True)
class Evaluated:
    """What a suite found."""

    scores: pd.DataFrame
    """Columns prompt_id, metric, value: one row a prompt and metric; feeds the tidy scores."""
    aggregates: list[Aggregate]
    """The benchmark's own numbers, the headline first."""
    samples: pd.DataFrame
    """One row a prompt for a person to read side by side: prompt, response(s), reference, verdict ..."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know: invalid verdicts, rows left out, warnings of the protocol."""


class SuiteSettings(Frozen):
    """The settings that every suite has; a suite adds its own."""

    runs_code: ClassVar[bool] = False
    """Whether scoring runs programs, and so wants every core."""
    by_reward: ClassVar[bool] = False
    """Whether candidates are ranked by a reward, so that the reference policy is part of what is measured."""
    usual_judge: ClassVar[Literal["none", "gold"]] = "none"
    """The judge where none is named: a suite of the tiny world has its gold reward."""

    data: str = Field(
        "", max_length=4000, description="The suite's file or a folder with it; empty: the evaluation's data folder, "
        "then the Hub",
    )  # fmt: skip
    limit: int = Field(0, ge=0, le=10_000_000, description="Only the first questions; 0: all of them")


class Suite(Protocol):
    """A benchmark. Implementations are frozen models (``SuiteSettings``), so that their fields are a form."""

    name: ClassVar[str]
    needs_judge: ClassVar[Literal["no", "compares", "grades"]]
    runs_code: ClassVar[bool]
    by_reward: ClassVar[bool]
    usual_judge: ClassVar[Literal["none", "gold"]]
    data: str
    limit: int

    def files(self) -> list[Path]:
        """The local files it reads, found or fetched; also their content is part of a score's identity.

        Raises UserError that says which files are wanted, by which names, and where they can be had.
        """
        ...

    def conventions(self) -> Conventions:
        """The version, split, template, aggregation and tie rule that its numbers hold for."""
        ...

    def questions(self, answers: Answers) -> list[Question]:
        """What to ask, given what has been answered: called until it returns nothing (two turns: twice)."""
        ...

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """Score the answers. A suite that needs no judge is given one that refuses.

        Raises UserError naming the suite and the first questions that have no answer, if any has none.
        """
        ...
