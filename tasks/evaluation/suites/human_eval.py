"""HumanEval (Chen et al. 2021, 2107.03374): 164 functions to complete, scored by running their tests."""

import ast
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tasks.data.rows import Message, user_prompt
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
from tasks.evaluation.suites.code_extraction import defines, fenced_block
from tasks.evaluation.suites.fields import read_rows, require_distinct, text_field
from tasks.evaluation.suites.locating import PublicFile, locate
from tasks.evaluation.suites.suite import Answers, Evaluated, Question

COLUMNS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
BASE = PublicFile(
    ("HumanEval.jsonl", "test-00000-of-00001.parquet"),
    "openai/openai_humaneval",
    "openai_humaneval/test-00000-of-00001.parquet",
    "github.com/openai/human-eval, data/HumanEval.jsonl.gz",
)
PLUS = PublicFile(
    ("HumanEvalPlus-OriginFmt.jsonl", "HumanEvalPlus.jsonl", "test-00000-of-00001-5973903632b82d40.parquet"),
    "evalplus/humanevalplus",
    "data/test-00000-of-00001-5973903632b82d40.parquet",
    "github.com/evalplus/humanevalplus_release, HumanEvalPlus-OriginFmt.jsonl.gz",
)
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where a completion is cut (Chen et al. 2021, section 2.1)."""
INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
)
"""EvalPlus (Liu et al. 2023), evalplus.codegen."""


class HumanEval(CodeSettings):
    """The 164 problems, as raw text to continue or as a request to a chat model.

    A program is the prompt and the completion, as openai/human-eval runs it, but the test runs in another sandbox
    than the program and calls it from there. In the chat style it is the response's block of code after the prompt,
    whose imports and helpers it so has; a block that repeats the function replaces the prompt's.
    """

    name: ClassVar[str] = "human_eval"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    style: Literal["completion", "chat"] = Field(
        "completion", description="completion: the prompt is continued; chat: the whole function is asked for"
    )
    variant: Literal["base", "plus"] = Field(
        "base", description="Tests of the problems: the original's, or HumanEval+'s 80 times as many (they need numpy)"
    )

    def files(self) -> list[Path]:
        """See ``Suite``."""
        return [locate(self.name, self.data, PLUS if self.variant == "plus" else BASE)]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        origin = "evalplus/humanevalplus" if self.variant == "plus" else "openai/human-eval 6d43fb9"
        return Conventions(
            suite=self.name,
            version=f"{origin}; {self.style}; {self.variant} tests",
            split=f"test, first {self.limit}" if self.limit else "test",
            template_digest=digest_of(list(STOPS) if self.style == "completion" else INSTRUCTION),
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
        rows = self.rows()
        sources = [
            [self.program(str(row["prompt"]), problem, response) for response in answers[problem.task_id].responses]
            if problem.task_id in answers
            else []
            for row, problem in zip(rows, problems, strict=True)
        ]
        return evaluated(self.name, problems, sources, answers, self)

    def rows(self) -> list[dict[str, str]]:
        """The file's rows. Raises UserError at the first that is none."""
        path = self.files()[0]
        found = read_rows(self.name, path, COLUMNS)[: self.limit or None]
        require_distinct(self.name, path, found, "task_id")
        return [
            {column: text_field(self.name, path, number, row, column) for column in COLUMNS}
            for number, row in enumerate(found, start=1)
        ]

    def problems(self) -> list[Problem]:
        """Every problem, in order."""
        return [
            Problem(
                task_id=row["task_id"],
                prompt=self.asked_as(row["prompt"]),
                reference=row["canonical_solution"],
                test=f"{row['test']}\ncheck({row['entry_point']})\n",
                names=(row["entry_point"],),
                setup=definitions(row["task_id"], row["prompt"]),
                stop=STOPS if self.style == "completion" else (),
                aliases=(str(number), row["prompt"]),
            )
            for number, row in enumerate(self.rows())
        ]

    def asked_as(self, prompt: str) -> list[Message] | str:
        """The prompt itself, or the request to a chat model."""
        if self.style == "completion":
            return prompt
        return user_prompt(f"{INSTRUCTION}\n```\n{prompt.strip()}\n```")

    def program(self, prompt: str, problem: Problem, response: str) -> str:
        """The whole program of a response."""
        if self.style == "completion":
            return prompt + response
        block = fenced_block(response, problem.names)
        return f"{problem.setup}\n{block}\n" if defines(block, problem.names) else prompt + block


def definitions(task_id: str, prompt: str) -> str:
    """The prompt as a program of its own: its imports and helpers, and the function without a body.

    Raises UserError if it is not Python up to the body that is wanted.
    """
    for body in ("", "    pass\n", "\tpass\n"):
        try:
            ast.parse(prompt + body)
        except SyntaxError:
            continue
        return prompt + body
    raise UserError(f"human_eval: the prompt of {task_id} is no Python up to a function's body; fetch the file again")
