"""How GSM8K's number is taken out of a response, and when two numbers are the same."""

import re
from collections.abc import Callable
from typing import Literal

from tasks.engine.schema import UserError

INVALID = "[invalid]"
MARKED = re.compile(r"#### (\-?[0-9\.\,]+)")
STATED = re.compile(r"The answer is (\-?[0-9\.\,]+).")
NUMBER = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
ANSWER_LINE = re.compile(r"^A:[ \t]*(.*)$", re.MULTILINE)
CALCULATOR = re.compile(r"<<[^<>]*>>")
IGNORED = tuple(re.compile(pattern) for pattern in (r",", r"\$", r"(?s).*#### ", r"\.$"))
"""What lm-evaluation-harness deletes before it compares, in this order."""

Extraction = Literal["official", "strict", "answer_is", "flexible", "answer_line"]


def reference_of(solution: str) -> str:
    """The number after ``####`` of a reference solution. Raises UserError if there is none."""
    found = official(solution)
    if found == INVALID:
        raise UserError(f"gsm8k: a reference solution has no '#### N': ...{solution[-60:]!r}; fetch the file again")
    return found


def official(response: str) -> str:
    """The first number after ``#### ``, without commas (openai/grade-school-math, dataset.py: extract_answer)."""
    found = MARKED.search(response)
    return found[1].strip().replace(",", "") if found else INVALID


def strict(response: str) -> str:
    """The first number after ``#### `` as it stands (lm-evaluation-harness gsm8k v3, strict-match)."""
    found = MARKED.search(response)
    return found[1].strip() if found else INVALID


def answer_is(response: str) -> str:
    """The first number after ``The answer is `` (lm-evaluation-harness gsm8k_cot v3, strict-match)."""
    found = STATED.search(response)
    return found[1].strip() if found else INVALID


def flexible(response: str) -> str:
    """The last number of all (lm-evaluation-harness, flexible-extract).

    As there, two signs of ``$0-9.,`` in a row are a number: a response that ends in dots has the dots for its answer.
    """
    found = NUMBER.findall(response)
    return next(group for group in found[-1] if group).strip() if found else INVALID


def answer_line(response: str) -> str:
    """What the last line ``A: N`` says, without commas: the form of openai/grade-school-math's example solutions."""
    found = ANSWER_LINE.findall(response)
    return found[-1].strip().replace(",", "") if found else INVALID


EXTRACTIONS: dict[Extraction, Callable[[str], str]] = {
    "official": official,
    "strict": strict,
    "answer_is": answer_is,
    "flexible": flexible,
    "answer_line": answer_line,
}


def matches(extraction: Extraction, response: str, reference: str) -> bool:
    """Whether the number that ``extraction`` finds in ``response`` is the ``reference`` (as by ``reference_of``).

    Both of openai's forms compare texts, so that 5.0 is not 5; the harness's forms compare after ``normalised``.
    """
    found = EXTRACTIONS[extraction](response)
    if found == INVALID:
        return False
    if extraction in {"official", "answer_line"}:
        return found == reference
    return normalised(found) == normalised(reference)


def normalised(answer: str) -> str:
    """An answer in lower case, without commas, dollar signs, everything up to ``#### ``, and a final full stop."""
    for pattern in IGNORED:
        answer = pattern.sub("", answer)
    return answer.lower()


def without_calculator(solution: str) -> str:
    """A solution without its calculator annotations ``<<a*b=c>>``."""
    return CALCULATOR.sub("", solution)
