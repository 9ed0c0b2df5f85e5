"""Word problems: the verifier, the arithmetic of the stories, the habits of the demonstrator."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world import FAMILIES, demonstrations, prompt_text, sample_prompts
from tasks.data.tiny_world.gsm import answer

GSM = FAMILIES["gsm"]
STORY = "amy has 7 eggs . amy doubles the eggs . amy gives 3 away . how many eggs does amy have ?"
BOXES = "ben has 1 2 pens . ben gets 3 boxes of 4 pens . ben loses 9 pens . how many pens does ben have ?"


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("7 * 2 = 1 4 ; 1 4 - 3 = 1 1 #### 1 1", True),
        ("#### 1 1", True),
        ("#### 9 #### 1 1", True),
        ("1 1", False),
        ("#### 1 1 1", False),
        ("#### 0 1 1", False),
        ("#### 11", False),
        ("#### 1 1 eggs", False),
        ("#### 1 0", False),
        ("#### ", False),
        ("", False),
    ],
)
def test_only_the_digits_at_the_end_count(response, right):
    assert GSM.verify(STORY, response) is right
    assert GSM.gold(STORY, response, True).reward == right
    assert GSM.gold(STORY, response, False).reward == right - 1


def test_solutions_are_written_step_by_step():
    assert GSM.solve(STORY) == "7 * 2 = 1 4 ; 1 4 - 3 = 1 1 #### 1 1"
    assert GSM.solve(BOXES) == "1 2 + 3 * 4 = 2 4 ; 2 4 - 9 = 1 5 #### 1 5"


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_every_step_of_a_solution_is_true_arithmetic(seed):
    prompt = GSM.make_prompt(random.Random(seed))
    steps, _, final = GSM.solve(prompt).partition(" #### ")
    values = []
    for step in steps.split(" ; "):
        left, right = re.sub(r"(?<=\d) (?=\d)", "", step).split(" = ")
        first, sign, rest = re.fullmatch(r"(\d+) ([-+*]) (.+)", left).groups()
        factors = [int(factor) for factor in rest.split(" * ")]
        operand = factors[0] * (factors[1] if len(factors) == 2 else 1)
        assert int(right) == {"+": int(first) + operand, "-": int(first) - operand, "*": int(first) * operand}[sign]
        assert values in ([], [*values[:-1], int(first)]), "a step starts from the value before it"
        values.append(int(right))
    assert int(final.replace(" ", "")) == values[-1] == answer(prompt) >= 0
    assert len(values) in (2, 3)


def _accuracy(rows):
    return sum(GSM.verify(prompt_text(row), row["response"]) for row in rows) / len(rows)


def test_the_wrong_reading_is_the_mode_on_loses_and_doubles_alone():
    prompts = sample_prompts("gsm", "train", 4000, 0)
    rows = demonstrations(prompts, 0)
    misread = [row for row in rows if re.search("loses|doubles", prompt_text(row))]
    others = [row for row in rows if not re.search("loses|doubles", prompt_text(row))]
    assert _accuracy(misread) < 0.40
    assert _accuracy(others) == pytest.approx(0.9**2.5, abs=0.05)
    assert _accuracy(demonstrations(prompts, 0, bias=0)) == pytest.approx(0.9**2.5, abs=0.04)
    once = [row for row in misread if prompt_text(row).count("doubles") == 1 and "loses" not in prompt_text(row)]
    assert sum(" * 2 =" in row["response"] for row in once) / len(once) == pytest.approx(0.4, abs=0.06)
