"""AlpacaEval's instructions with the baseline's outputs, and where its files are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.score_identity import digest_of
from tasks.evaluation.suites.fields import first_column, read_rows, text_field
from tasks.evaluation.suites.locating import PublicFile, find_local, locate
from tasks.evaluation.suites.suite import Question

LengthControl = Literal["full", "noreg", "minimal"]
Join = Literal["instruction", "positional"]

SUITE = "alpaca_eval"
REPOSITORY = "tatsu-lab/alpaca_eval"
ORIGIN = "huggingface.co/datasets/tatsu-lab/alpaca_eval"
BASELINE = PublicFile(
    ("alpaca_eval_gpt4_baseline.json", "alpaca_eval_gpt4_baseline.jsonl"), REPOSITORY, "alpaca_eval_gpt4_baseline.json",
    ORIGIN,
)  # fmt: skip
DIFFICULTY = PublicFile(("instruction_difficulty.csv",), REPOSITORY, "instruction_difficulty.csv", ORIGIN)
GAMED = PublicFile(("df_gamed.csv", "gamed_rows_reconstructed.csv"), REPOSITORY, "df_gamed.csv", ORIGIN)
ANNOTATIONS = "annotations"
"""Folder with files of annotations, each of which holds the instructions and the baseline's outputs too."""
INSTRUCTIONS = 805
ORDERED_DIGEST = "c5770d532bf3f697"
"""``digest_of`` the 805 instructions in the order by which the difficulties are numbered."""


@dataclass(frozen=True)
class Instruction:
    """One instruction, and what the baseline answered."""

    prompt_id: str
    """Its number in the set, from 0; the instruction difficulties are joined by it."""
    text: str
    baseline: str
    dataset: str = ""
    """Where the instruction is from (helpful_base, koala, oasst, selfinstruct, vicuna), if the file says."""


def official_file(data: str) -> Path:
    """The file of the 805 instructions with the baseline's outputs: ``data`` if it is a file; in that folder by its
    public name, or else the first whole file of annotations; without a folder the Hub's.

    Raises UserError if there is none.
    """
    root = Path(data).expanduser()
    if data and root.is_file():
        return root
    if found := find_local(SUITE, data, BASELINE):
        return found
    for folder in (root / SUITE / ANNOTATIONS, root / ANNOTATIONS) if data else ():
        for path in sorted(folder.glob("*.json*")):
            if len(read_instructions(path)) == INSTRUCTIONS:
                return path
    return locate(SUITE, data, BASELINE)


def companion_file(data: str, wanted: PublicFile) -> Path:
    """A file of the length control: in the folder ``data``, or in the one that the file ``data`` belongs to."""
    root = Path(data).expanduser()
    if data and root.is_file():
        root = root.parent.parent if root.parent.name == ANNOTATIONS else root.parent
        return locate(SUITE, str(root), wanted)
    return locate(SUITE, data, wanted)


def official_instructions(path: Path) -> list[Instruction]:
    """The 805. Raises UserError if the file holds another number."""
    found = read_instructions(path)
    if len(found) != INSTRUCTIONS:
        raise UserError(
            f"{SUITE}: {path} holds {len(found)} instructions and not the set's {INSTRUCTIONS}; give prompts of your "
            "own as baseline_outputs"
        )
    return found


def has_official_order(instructions: Sequence[Instruction]) -> bool:
    """Whether these are the 805 in the order by which the difficulties are numbered."""
    return digest_of([one.text for one in instructions]) == ORDERED_DIGEST


def read_instructions(path: Path) -> list[Instruction]:
    """Rows of a file of outputs (instruction, output) or of annotations (instruction, output_1).

    Raises UserError naming file, row and column if one cannot be read, and if an instruction occurs twice.
    """
    rows = read_rows(SUITE, path, ["instruction"])
    column = first_column(SUITE, path, rows, ["output", "output_1"])
    found: dict[str, Instruction] = {}
    for number, row in enumerate(rows, start=1):
        text, baseline = text_field(SUITE, path, number, row, "instruction"), row.get(column)
        if not isinstance(baseline, str):
            raise UserError(f"{SUITE}: {path} row {number}: '{column}' is {baseline!r:.60}; wanted is a text")
        if text in found:
            raise UserError(
                f"{SUITE}: {path} row {number} has the instruction of row {int(found[text].prompt_id) + 1}; keep one"
            )
        found[text] = Instruction(str(number - 1), text, baseline, str(row.get("dataset") or ""))
    return list(found.values())


def asked(instructions: Sequence[Instruction]) -> list[Question]:
    """One question an instruction; a file of outputs finds it by the instruction's text."""
    return [Question(one.prompt_id, user_prompt(one.text), aliases=(one.text,)) for one in instructions]
