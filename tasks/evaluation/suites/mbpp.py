"""MBPP (Austin et al. 2021, 2108.07732): small programs from a sentence and three assertions."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from tasks.data.records import Record
from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.suites.answering import unanswered
from tasks.evaluation.suites.code_checking import (
    TIE_RULE,
    CodeSettings,
    Problem,
    asked,
    evaluated,
    require_runnable,
)
from tasks.evaluation.suites.code_extraction import fenced_block, names_under_test
from tasks.evaluation.suites.fields import first_column, read_rows, require_distinct, text_field
from tasks.evaluation.suites.locating import PublicFile, locate
from tasks.evaluation.suites.mbpp_prompts import CHAT, EXAMPLES, STOPS, chat_prompt, few_shot_prompt
from tasks.evaluation.suites.suite import Answers, Evaluated, Question

REPOSITORY = "google-research-datasets/mbpp"
ORIGIN = "github.com/google-research/google-research, mbpp"
FILES = {
    "full": PublicFile(
        ("mbpp.jsonl", "test-00000-of-00001.parquet"), REPOSITORY, "full/test-00000-of-00001.parquet", ORIGIN
    ),
    "sanitized": PublicFile(
        ("sanitized-mbpp.json", "test-00000-of-00001.parquet"),
        REPOSITORY,
        "sanitized/test-00000-of-00001.parquet",
        ORIGIN,
    ),
}
COLUMNS = {"full": "text", "sanitized": "prompt"}
"""What each variant calls the task; both publish a file of the same name."""
FIRST, LAST = 11, 510
"""Task ids of the test split; 1 to 10 are for prompts, the rest for training."""


class MBPP(CodeSettings):
    """The test split (500 problems; 257 sanitized), after three examples or as a request to a chat model.

    The assertions run in another sandbox than the program. They call it by the names that they and the benchmark's
    own solution agree on; every other name in them, builtin or standard module, is the test's own.
    """

    name: ClassVar[str] = "mbpp"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    style: Literal["few_shot", "chat"] = Field(
        "few_shot", description="few_shot: three examples, then text to continue; chat: the bare task"
    )
    variant: Literal["full", "sanitized"] = Field(
        "full", description="All problems, or those that their authors have gone over by hand"
    )

    def files(self) -> list[Path]:
        """See ``Suite``."""
        return [locate(self.name, self.data, FILES[self.variant])]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        template = [list(map(str, example)) for example in EXAMPLES] if self.style == "few_shot" else CHAT
        return Conventions(
            suite=self.name,
            version=f"{REPOSITORY} {self.variant}; {self.style}, as lm-evaluation-harness mbpp 1.0",
            split=f"test (tasks {FIRST}-{LAST})" + (f", first {self.limit}" if self.limit else ""),
            template_digest=digest_of(template),
            aggregation=self.sampling(),
            tie_rule=TIE_RULE,
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``. Raises UserError if the programs could not be run here."""
        problems = self.problems()
        waiting = unanswered(asked(problems, self), answers)
        if waiting:
            require_runnable(self.name, problems, self.limits)
        return waiting

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``; one row a sample in the table."""
        problems = self.problems()
        sources = [
            [program(problem, response) for response in answers[problem.task_id].responses]
            if problem.task_id in answers
            else []
            for problem in problems
        ]
        return evaluated(self.name, problems, sources, answers, self)

    def problems(self) -> list[Problem]:
        """The test split's problems, in order. Raises UserError naming the first row that is none."""
        path = self.files()[0]
        rows = read_rows(self.name, path, ("task_id", "code", "test_list"))
        require_distinct(self.name, path, rows, "task_id")
        column = first_column(self.name, path, rows, ("text", "prompt"))
        if column != COLUMNS[self.variant]:
            raise UserError(f"mbpp: {path} has a column '{column}', and so is not the {self.variant} set; set the "
                            "suite's variant, or give the other file")  # fmt: skip
        numbered = [(n, row) for n, row in enumerate(rows, start=1) if FIRST <= int(row["task_id"]) <= LAST]
        return [self.problem(path, number, row, column) for number, row in numbered[: self.limit or None]]

    def problem(self, path: Path, number: int, row: Record, column: str) -> Problem:
        """One row's problem."""
        text, code = (text_field(self.name, path, number, row, name) for name in (column, "code"))
        tests = lines_of(path, number, row["test_list"])
        test = "\n".join([str(row.get("test_setup_code") or ""), *tests]) + "\n"
        imports = [str(line) for line in row.get("test_imports") or ()]
        try:
            names, modules = names_under_test("\n".join([*imports, test]), code)
        except SyntaxError as error:
            raise UserError(f"mbpp: {path} row {number}: its tests are no Python ({error})") from error
        return Problem(
            task_id=f"mbpp/{row['task_id']}",
            prompt=few_shot_prompt(text, tests) if self.style == "few_shot" else user_prompt(chat_prompt(text, tests)),
            reference=code,
            test=test,
            names=names,
            setup="\n".join([*imports, *(f"import {module}" for module in modules)]),
            stop=STOPS if self.style == "few_shot" else (),
            aliases=(str(row["task_id"]), text),
        )


def lines_of(path: Path, number: int, tests: Any) -> list[str]:
    """The assertions of a row. Raises UserError if there is none."""
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
        raise UserError(f"mbpp: {path} row {number}: 'test_list' is {tests!r:.80}; wanted is a list of assertions")
    return tests


def program(problem: Problem, response: str) -> str:
    """The program in a response: up to ``[DONE]``, and of a fenced one what is in the fence."""
    return fenced_block(response.partition(STOPS[0])[0], problem.names)
