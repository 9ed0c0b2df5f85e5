"""AlpacaEval 2: how often a judge prefers the model's output to the baseline's, with and without length control.

Dubois et al., "Length-Controlled AlpacaEval" (arXiv 2404.04475); official code and numbers: tatsu-lab/alpaca_eval.
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.suites.alpaca_eval_data import (
    DIFFICULTY,
    GAMED,
    INSTRUCTIONS,
    Instruction,
    Join,
    LengthControl,
    asked,
    companion_file,
    has_official_order,
    official_file,
    official_instructions,
    read_instructions,
)
from tasks.evaluation.suites.alpaca_eval_template import SYSTEM, USER
from tasks.evaluation.suites.answering import unanswered
from tasks.evaluation.suites.suite import Answers, Evaluated, Question, SuiteSettings


class AlpacaEval(SuiteSettings):
    """The 805 instructions against gpt4_1106_preview, or prompts of one's own against a baseline of one's own.

    The full length control and ``noreg`` use what was fitted on the 805 instructions with that baseline: on any other
    set of prompts, and on the first few, the minimal one stands in, and the report says so.
    """

    name: ClassVar[str] = "alpaca_eval"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "compares"
    baseline_outputs: str = Field(
        "",
        max_length=4000,
        description="File with prompts of your own and the baseline's outputs (columns instruction and output), or a "
        "file of annotations (instruction, output_1); empty: the 805 instructions against gpt4_1106_preview",
    )
    length_control: LengthControl = Field(
        "full",
        description="full: length_controlled_v1, the leaderboard's; noreg: without the gamed baselines' rows; minimal: "
        "length and intercept alone",
    )
    difficulty_join: Join = Field(
        "instruction",
        description="instruction: each row has its own instruction's difficulty; positional: that of the row's number, "
        "as the leaderboard has it (they differ where annotations are missing)",
    )

    def files(self) -> list[Path]:
        """See ``Suite``: instructions with the baseline's outputs, and what the length control was fitted on."""
        if self.baseline_outputs:
            path = Path(self.baseline_outputs).expanduser()
            if not path.is_file():
                raise UserError(f"{self.name}: no file {path} (baseline_outputs); give the prompts with the baseline's "
                                "outputs")  # fmt: skip
            return [path]
        wanted = {"full": (DIFFICULTY, GAMED), "noreg": (DIFFICULTY,), "minimal": ()}[self.form()]
        return [official_file(self.data), *(companion_file(self.data, one) for one in wanted)]

    def form(self) -> LengthControl:
        """The length control that the set of prompts allows."""
        whole = not self.baseline_outputs and not 0 < self.limit < INSTRUCTIONS
        return self.length_control if whole else "minimal"

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        first = f", first {self.limit}" if self.limit else ""
        join = "" if self.form() == "minimal" else f", difficulty joined by {self.difficulty_join}"
        own = "own prompts and baseline" if self.baseline_outputs else "eval, baseline gpt4_1106_preview"
        return Conventions(
            suite=self.name,
            version="AlpacaEval 2, tatsu-lab/alpaca_eval cd543a1",
            split=own + first,
            template_digest=digest_of([SYSTEM, USER]),
            aggregation=f"length control {self.form()}{join}; mean over prompts",
            tie_rule="a draw counts half; a prompt without a preference is left out of win rate and fit",
        )

    def instructions(self) -> list[Instruction]:
        """The prompts with the baseline's outputs, in the set's order, cut to the limit."""
        if self.baseline_outputs:
            found = read_instructions(self.files()[0])
        else:
            found = official_instructions(official_file(self.data))
        return found[: self.limit or None]

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(asked(self.instructions()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``. A recorded judge is asked for the rows that its file has; answers may be missing there."""
        from tasks.evaluation.suites.alpaca_eval_annotating import annotate
        from tasks.evaluation.suites.alpaca_eval_controls import read_controls
        from tasks.evaluation.suites.alpaca_eval_report import report

        instructions = self.instructions()
        controls = read_controls(self.form(), self.difficulty_join, self.files()[1:])
        found = report(annotate(instructions, answers, judge), controls, wanted=self.length_control)
        if self.form() != "minimal" and not has_official_order(instructions):
            found.notes.append("the 805 instructions are not the official ones in their order: difficulties may be off")
        return found
