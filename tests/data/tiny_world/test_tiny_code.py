"""Programs: the verifier, the habits of the demonstrator, and how many different tasks there are."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world import FAMILIES, demonstrations, prompt_text, sample_prompts
from tasks.data.tiny_world.code import TEST_LISTS, describe, read_task, run, write_program

CODE = FAMILIES["code"]
KEEP = "def f ( nums ) : # return sum of times 3 on keep odd items of last 4 of nums then plus 2"
RIGHT = "return sum ( [ y * 3 for y in nums [ - 4 : ] if y % 2 == 1 ] ) + 2"


@pytest.mark.parametrize(
    ("response", "right"),
    [
        (RIGHT, True),
        ("return sum ( [ 3 * i for i in nums [ - 4 : ] if i % 2 ] ) + 2", True),
        (RIGHT.replace("return ", ""), False),
        (RIGHT.replace("nums", "x"), False),
        (RIGHT.replace("== 1", "== 0"), False),
        (RIGHT.replace("- 4", "4"), False),
        (f"{RIGHT} )", False),
        ("return", False),
        ("", False),
    ],
)
def test_programs_are_judged_by_what_they_compute(response, right):
    assert CODE.verify(KEEP, response) is right
    assert CODE.gold(KEEP, response, True).reward == right
    assert CODE.gold(KEEP, response, False).reward == right - 1


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("sum of x", sum(TEST_LISTS[0])),
        ("number of keep above 9 items of x", len([y for y in TEST_LISTS[0] if y > 9])),
        ("first 3 of reversed x", list(TEST_LISTS[0][::-1][:3])),
        ("skip 2 of sorted x", sorted(TEST_LISTS[0])[2:]),
        ("plus 5 on keep multiples 3 items of x", [y + 5 for y in TEST_LISTS[0] if y % 3 == 0]),
        ("max of last 4 of x then minus 7", max(TEST_LISTS[0][-4:]) - 7),
        ("keep below 6 items of x", [y for y in TEST_LISTS[0] if y < 6]),
        ("min of keep even items of first 5 of x", min(y for y in TEST_LISTS[0][:5] if y % 2 == 0)),
    ],
)
def test_the_words_of_a_task_mean_what_they_say(words, value):
    program = CODE.solve(f"def g ( x ) : # return {words}").removeprefix("return ")
    assert run(program, "x")[0] == value


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_tasks_survive_being_described_and_read(seed):
    prompt = CODE.make_prompt(random.Random(seed))
    spec, name = read_task(prompt)
    assert prompt.endswith(f"# return {describe(spec, name)}")
    assert CODE.verify(prompt, f"return {write_program(spec, name)}")


def test_there_is_room_for_two_thousand_train_and_150_eval_tasks_apart_from_names():
    def tasks(split, n):
        return {read_task(prompt_text(row))[0] for row in sample_prompts("code", split, n, 0)}

    assert len(tasks("train", 6000)) >= 2000
    assert len(tasks("eval", 400)) >= 150


def _accuracy(rows):
    return sum(CODE.verify(prompt_text(row), row["response"]) for row in rows) / len(rows)


def test_the_wrong_program_is_the_mode_on_recognisable_tasks_alone():
    rows = demonstrations(sample_prompts("code", "train", 4000, 0), 0)
    others = rows
    for habit in ("last ", "odd ", "number "):
        subset = [row for row in rows if habit in prompt_text(row)]
        others = [row for row in others if habit not in prompt_text(row)]
        assert len(subset) > 200
        assert _accuracy(subset) < 0.45
    assert 0.70 < _accuracy(others) < 0.80, "slips in 30 % of programs, a few of them harmless"


def test_the_last_k_are_mostly_written_as_all_but_the_first_k():
    prompts = sample_prompts("code", "train", 4000, 0)
    asked = [row for row in demonstrations(prompts, 0) if " return last " in prompt_text(row)]
    habitual = [CODE.solve(prompt_text(row)).replace("[ - ", "[ ") == row["response"] for row in asked]
    assert len(asked) > 50
    assert sum(habitual) / len(asked) == pytest.approx(0.6 * 0.7, abs=0.12)


def test_without_bias_only_the_slips_remain():
    rows = demonstrations(sample_prompts("code", "train", 3000, 0), 0, bias=0)
    assert 0.70 < _accuracy(rows) < 0.80
