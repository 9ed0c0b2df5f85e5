"""From answers to preferences: which outputs are compared with the baseline's, and what the judge says of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison, Judge, Verdict
from tasks.evaluation.judges.recorded import RecordedJudge
from tasks.evaluation.suites.alpaca_eval_data import SUITE, Instruction, asked
from tasks.evaluation.suites.alpaca_eval_template import JUDGE, WeightedPreference, is_swapped
from tasks.evaluation.suites.answering import require_answers
from tasks.evaluation.suites.suite import Answers

NAMED = 5
"""Prompts that a note names."""


@dataclass(frozen=True)
class Annotated:
    """One comparison of the model's output with the baseline's."""

    prompt_id: str
    number: int
    """Of the row among those annotated, from 0, in the order of the annotations."""
    instruction: str
    baseline: str
    response: str
    dataset: str = ""
    finished: bool = True
    preference: float = math.nan
    """P(the model's output is better) in [0, 1]; NaN where the annotation is missing."""


@dataclass(frozen=True)
class Annotations:
    """All comparisons of one model."""

    rows: list[Annotated]
    lengths: list[int]
    """Characters of every output of the model, those without an annotation included."""
    notes: list[str] = field(default_factory=list)


def annotate(instructions: Sequence[Instruction], answers: Answers, judge: Judge) -> Annotations:
    """Have every output compared with the baseline's, in an order drawn by the instruction.

    A recorded judge is asked for the rows of its file, in their order, against the outputs recorded there as the
    baseline's; for an instruction without an answer the recorded output stands.

    Raises:
        UserError: a question has no answer (a live judge), or a recorded judge does not know an output.
    """
    if isinstance(judge, RecordedJudge):
        found = recorded_rows(instructions, answers, judge)
    else:
        found = live_rows(instructions, answers, judge)
    swapped = [is_swapped(row.instruction) for row in found.rows]
    comparisons = [comparison(row, turned) for row, turned in zip(found.rows, swapped, strict=True)]
    verdicts = judge.compare(comparisons, WeightedPreference())
    judged = [
        replace(row, preference=preference_for_model(verdict, turned))
        for row, verdict, turned in zip(found.rows, verdicts, swapped, strict=True)
    ]
    return replace(found, rows=judged)


def comparison(row: Annotated, swapped: bool) -> Comparison:
    """The two outputs in the order in which the judge sees them: the model's second unless ``swapped``."""
    prompt = user_prompt(row.instruction)
    if swapped:
        return Comparison(row.prompt_id, prompt, row.response, row.baseline, first_finished=row.finished)
    return Comparison(row.prompt_id, prompt, row.baseline, row.response, second_finished=row.finished)


def preference_for_model(verdict: Verdict, swapped: bool) -> float:
    """P(the model's output is better), NaN without a verdict."""
    if verdict.preference is None:
        return math.nan
    return 1.0 - verdict.preference if swapped else verdict.preference


def live_rows(instructions: Sequence[Instruction], answers: Answers, judge: Judge) -> Annotations:
    """The outputs of all instructions. Raises UserError naming the first that have none."""
    given = require_answers(SUITE, asked(instructions), answers)
    rows = [
        Annotated(one.prompt_id, number, one.text, one.baseline, answer.responses[0], one.dataset,
                  finished=all(answer.finished[:1]))
        for number, (one, answer) in enumerate(zip(instructions, given, strict=True))
    ]  # fmt: skip
    other = f"the judge is {judge.name} ({judge.version}) and not {JUDGE}: these numbers are not the leaderboard's"
    return Annotations(rows, [len(row.response) for row in rows], notes=[] if JUDGE in judge.version else [other])


def recorded_rows(instructions: Sequence[Instruction], answers: Answers, judge: RecordedJudge) -> Annotations:
    """The recorded rows that belong to the instructions.

    Raises UserError if none does, if two rows have one instruction, or if they are of another baseline.
    """
    known = {one.text: one for one in instructions}
    rows: dict[str, Annotated] = {}
    of_the_set = [row for row in judge.rows if row.instruction in known]
    for number, row in enumerate(of_the_set):
        one = known[row.instruction]
        if one.prompt_id in rows:
            raise UserError(
                f"{SUITE}: two rows of the annotations have the instruction {row.instruction[:60]!r}; keep one of them"
            )
        responses = answers[one.prompt_id].responses if one.prompt_id in answers else ()
        response = row.second if row.second in responses or not responses else responses[0]
        rows[one.prompt_id] = Annotated(one.prompt_id, number, row.instruction, row.first, response, one.dataset)
    if not rows:
        raise UserError(
            f"{SUITE}: none of the {len(judge.rows)} annotated instructions is in the set; give the annotations "
            "as baseline_outputs too, if its prompts are your own"
        )
    return with_absent(instructions, answers, list(rows.values()), len(judge.rows) - len(of_the_set))


def with_absent(
    instructions: Sequence[Instruction], answers: Answers, rows: list[Annotated], foreign: int
) -> Annotations:
    """The rows with the lengths of the outputs that are not annotated, and what is to be said of them.

    Raises UserError if most baseline outputs are not those of the set: the numbers would be of another comparison.
    """
    annotated = {row.prompt_id for row in rows}
    absent = [one for one in instructions if one.prompt_id not in annotated]
    given = [answers[one.prompt_id].responses for one in absent if one.prompt_id in answers]
    extra = [len(responses[0]) for responses in given if responses]
    notes = []
    if absent:
        named = ", ".join(one.prompt_id for one in absent[:NAMED]) + (", ..." if len(absent) > NAMED else "")
        notes.append(f"{len(absent)} of {len(instructions)} prompts have no row in the annotations: {named}")
    if foreign:
        notes.append(f"{foreign} annotated rows are of no prompt of the set and left out")
    baseline = {one.prompt_id: one.baseline for one in instructions}
    other = sum(row.baseline != baseline[row.prompt_id] for row in rows)
    if 2 * other > len(rows):
        raise UserError(
            f"{SUITE}: {other} of {len(rows)} baseline outputs in the annotations are not those of the set, so these "
            "are comparisons with another baseline; give its outputs (instruction, output) as baseline_outputs"
        )
    if other:
        notes.append(f"{other} of {len(rows)} baseline outputs in the annotations are not those of the set")
    return Annotations(rows, [len(row.response) for row in rows] + extra, notes)
