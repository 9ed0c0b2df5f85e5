"""What the suites of programs share: settings, running the samples in sandboxes, pass@k and its table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
from pydantic import Field, model_validator

from tasks.data.rows import Message
from tasks.engine.schema import UserError
from tasks.evaluation.metrics.code import PASS_AT
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Outcome, Program
from tasks.evaluation.sandbox.running import require_sandbox, run_programs
from tasks.evaluation.statistics.pass_at_k import pass_at_k
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame
from tasks.evaluation.suites.suite import Answer, Answers, Evaluated, Question, SuiteSettings


class CodeSettings(SuiteSettings):
    """Settings of a suite whose responses are programs."""

    runs_code: ClassVar[bool] = True
    samples: int = Field(1, ge=1, le=1000, description="Programs a problem (n)")
    temperature: float = Field(
        0.0, ge=0.0, le=10.0, description="Of sampling; Chen et al.: 0.2 for pass@1, 0.8 for pass@100"
    )
    k: list[int] = Field([1], min_length=1, max_length=8, description=f"pass@k for these k, each one of {PASS_AT}")
    max_new_tokens: int = Field(512, ge=0, le=1_000_000, description="Longest response; 0: as the evaluation decodes")
    limits: Limits = Field(Limits(), description="What a program may use, and how it is isolated")
    workers: int = Field(0, ge=0, le=1024, description="Programs run at a time; 0: one a core")

    @model_validator(mode="after")
    def samples_suffice(self) -> "CodeSettings":
        """Refuse what could only be found wrong after sampling."""
        for k in self.k:
            if k not in PASS_AT:
                raise ValueError(f"pass@{k} is not reported; k is one of {', '.join(map(str, PASS_AT))}")
            if k > self.samples:
                raise ValueError(f"pass@{k} wants at least {k} samples a problem, samples is {self.samples}")
        if self.samples > 1 and self.temperature == 0.0:
            raise ValueError(f"{self.samples} samples at temperature 0 are one program; raise the temperature")
        return self

    def sampling(self) -> str:
        """How programs were drawn and run, for a suite's conventions."""
        limits = self.limits
        return (
            f"mean over problems of the unbiased pass@k, n {self.samples} at temperature {self.temperature:g}, at most "
            f"{self.max_new_tokens} tokens; each program {limits.wall_seconds:g} s, {limits.memory_mib} MiB, packages "
            f"{limits.packages}"
        )


TIE_RULE = "a program that meets a limit, ends early or returns what cannot be copied out of its sandbox fails"


@dataclass(frozen=True)
class Problem:
    """One programming problem."""

    task_id: str
    prompt: Sequence[Message] | str
    reference: str
    test: str
    names: tuple[str, ...]
    setup: str
    stop: tuple[str, ...]
    aliases: tuple[str, ...]


def asked(problems: Sequence[Problem], settings: CodeSettings) -> list[Question]:
    """A question a problem."""
    return [
        Question(
            prompt_id=problem.task_id,
            prompt=problem.prompt,
            stop=problem.stop,
            temperature=settings.temperature,
            max_new_tokens=settings.max_new_tokens or None,
            samples=settings.samples,
            aliases=problem.aliases,
        )
        for problem in problems
    ]


def require_packages(suite: str, problems: Sequence[Problem], limits: Limits) -> None:
    """Raises UserError, before anything is sampled, where tests want numpy and will not find it in their sandbox."""
    wanting = next((problem.task_id for problem in problems if "import numpy" in problem.test + problem.setup), "")
    if not wanting:
        return
    (tried,) = run_programs([Program("numpy", "", "import numpy", ())], limits)
    if not tried.passed:
        raise UserError(
            f"{suite}: the test of {wanting} imports numpy, and a sandbox cannot ({tried.reason}); set "
            "limits.packages: installed and limits.memory_mib to 512 or more, and pip install numpy"
        )


def require_runnable(suite: str, problems: Sequence[Problem], limits: Limits) -> None:
    """Raises UserError, before anything is sampled, if the programs could not be run here."""
    require_sandbox(limits)
    require_packages(suite, problems, limits)


def evaluated(
    suite: str, problems: Sequence[Problem], sources: Sequence[Sequence[str]], answers: Answers, settings: CodeSettings
) -> Evaluated:
    """Run every sample, and sum up.

    Args:
        suite: Its name.
        problems: All that were asked.
        sources: Of each problem, the whole program of each of its responses.
        answers: By ``task_id``.
        settings: Of the suite.

    Raises:
        UserError: a problem has fewer samples than the largest k, or programs cannot be isolated here.
    """
    found = require_answers(suite, asked(problems, settings), answers)
    require_samples(suite, problems, found, max(settings.k))
    programs = [
        Program(f"{problem.task_id} sample {number}", source, problem.test, problem.names, problem.setup)
        for problem, given in zip(problems, sources, strict=True)
        for number, source in enumerate(given)
    ]
    outcomes = run_programs(programs, settings.limits, settings.workers)
    waiting = iter(outcomes)
    grouped = [[next(waiting) for _ in given] for given in sources]
    values = {
        f"pass_at_{k}": {
            problem.task_id: pass_at_k(len(mine), sum(outcome.passed for outcome in mine), k)
            for problem, mine in zip(problems, grouped, strict=True)
        }
        for k in dict.fromkeys(settings.k)
    }
    return Evaluated(
        scores=score_frame(values),
        aggregates=[
            mean_aggregate(metric, list(value.values()), method="mean over problems of the unbiased estimate")
            for metric, value in values.items()
        ],
        samples=sample_table(problems, found, grouped),
        notes=notes_of(outcomes, settings.limits),
    )


def require_samples(suite: str, problems: Sequence[Problem], found: Sequence[Answer], k: int) -> None:
    """Raises UserError naming the first problem with fewer than ``k`` samples."""
    for problem, answer in zip(problems, found, strict=True):
        if len(answer.responses) < k:
            raise UserError(
                f"{suite}: {problem.task_id} has {len(answer.responses)} samples; pass@{k} wants at least {k} of every "
                "problem: sample more, or ask for a smaller k"
            )


def sample_table(
    problems: Sequence[Problem], found: Sequence[Answer], grouped: Sequence[Sequence[Outcome]]
) -> pd.DataFrame:
    """One row a sample: the problem, the response, what came of it and why."""
    rows = [
        {
            "prompt_id": problem.task_id,
            "sample": number,
            "prompt": problem.prompt if isinstance(problem.prompt, str) else problem.prompt[-1]["content"],
            "completion": response,
            "outcome": "passed" if outcome.passed else "failed",
            "reason": outcome.reason,
            "seconds": outcome.seconds,
            "reference": problem.reference,
        }
        for problem, answer, mine in zip(problems, found, grouped, strict=True)
        for number, (response, outcome) in enumerate(zip(answer.responses, mine, strict=True))
    ]
    return pd.DataFrame(rows)


def notes_of(outcomes: Sequence[Outcome], limits: Limits) -> list[str]:
    """Why samples failed, by kind; and that nothing isolated them."""
    kinds = Counter(kind_of(outcome.reason) for outcome in outcomes if not outcome.passed)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    notes = [f"{sum(kinds.values())} of {len(outcomes)} samples failed" + (f": {counted}" if counted else "")]
    return notes + (["programs ran with the user's rights, without isolation"] if limits.isolation == "none" else [])


KINDS = {
    "the test failed": "failed an assertion",
    "the program raised": "raised",
    "timed out": "timed out",
    "the program cannot be loaded": "could not be loaded",
    "the program does not define": "lacked the function",
    "used more than": "used too much memory",
    "made more than": "made too many files",
    "the program ended": "ended early",
    "the program returned": "returned what cannot be copied or compared",
}


def kind_of(reason: str) -> str:
    """The kind of a failure's reason."""
    return next((kind for start, kind in KINDS.items() if reason.startswith(start)), "failed otherwise")
