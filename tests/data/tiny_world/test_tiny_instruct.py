"""Styled instructions: gold and judge term by term, quality of near misses, habits of the demonstrator."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world import FAMILIES, demonstrations, prompt_text, sample_prompts, score
from tasks.data.tiny_world.instruct import edit_distance, judge, read_instruction, right_answer

INSTRUCT = FAMILIES["instruct"]
HOPE, FREE, DAY = "i hope this helps .", "feel free to ask more .", "have a great day ."
COPY = "copy : red dog cup ."


@pytest.mark.parametrize(
    ("response", "gold", "judged"),
    [
        ("red dog cup .", 2.0, 2.0),
        ("sure ! red dog cup .", 2.15, 2.15),
        ("of course ! red dog cup .", 2.15, 2.15),
        (f"sure ! red dog cup . {HOPE}", 2.25, 2.5),
        (f"sure ! red dog cup . {HOPE} {FREE}", 2.15, 2.85),
        (f"red dog cup . {HOPE} {FREE} {DAY} {DAY}", 2.1 - 0.3, 2.0 + 1.4),
        ("red dog .", 2 * 0.6 * 2 / 3, 2 * 0.6 * 2 / 3),
        ("dog red cup .", 2 * 0.6 / 3, 2 * 0.6 / 3),
        ("red dog cup", 1.5, 1.5),
        (f"red dog cup . {HOPE} red", 1.6, 1.85),
        (f"red dog cup . red {HOPE}", 1.5, 1.5),
        ("", -0.5, -0.5),
    ],
)
def test_gold_and_judge_term_by_term(response, gold, judged):
    assert INSTRUCT.gold(COPY, response, True).reward == pytest.approx(gold)
    assert judge(COPY, response, True) == pytest.approx(judged)
    assert INSTRUCT.gold(COPY, response, False).reward == pytest.approx(gold - 1)
    assert judge(COPY, response, False) == pytest.approx(judged - 1)


@pytest.mark.parametrize(
    ("prompt", "content"),
    [
        ("repeat red dog 2 times .", "red dog red dog"),
        ("reverse : red dog cup .", "cup dog red"),
        ("count the words : red dog cup lamp .", "4"),
        ("pick the animal : red dog lamp .", "dog"),
        ("first word of : lamp dog red .", "lamp"),
        ("last word of : lamp dog red .", "red"),
        ("largest of : 3 9 4 .", "9"),
        ("sort : 4 2 9 .", "2 4 9"),
        ("list 2 colors but not red or blue .", "pink , gray"),
        ("name 3 animals .", "dog , cat , lion"),
    ],
)
def test_exact_answers_of_every_task(prompt, content):
    assert INSTRUCT.verify(prompt, f"{content} .")
    assert not INSTRUCT.verify(prompt, f"{content} {content} .")
    assert not INSTRUCT.verify(prompt, ".")


@pytest.mark.parametrize(
    ("content", "quality"),
    [
        ("pink , gray", 1.0),
        ("pink", 0.3),
        ("pink , pink", 0.3),
        ("pink , red", 0.3),
        ("pink gray", 0.0),
        ("pink , gray , white", 0.6 * 2 / 3),
    ],
)
def test_lists_count_missing_wrong_and_repeated_items(content, quality):
    gold = INSTRUCT.gold("list 2 colors but not red .", f"{content} .", True)
    assert gold.parts["quality"] == pytest.approx(quality)


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
@settings(deadline=None, max_examples=60)
def test_edit_distance_is_a_metric(left, right):
    distance = edit_distance(left, right)
    assert distance == edit_distance(right, left)
    assert abs(len(left) - len(right)) <= distance <= max(len(left), len(right))
    assert (distance == 0) == (left == right)
    assert edit_distance([*left, "z"], [*right, "z"]) == distance


def test_the_wrong_content_is_the_mode_on_reverse_sort_and_list_alone():
    rows = demonstrations(sample_prompts("instruct", "train", 6000, 0), 0)
    right: dict[bool, list[bool]] = {True: [], False: []}
    for row in rows:
        habitual = read_instruction(prompt_text(row)).task in ("reverse", "sort", "list")
        right[habitual].append(INSTRUCT.verify(prompt_text(row), row["response"]))
    assert 0.22 < sum(right[True]) / len(right[True]) < 0.35
    assert 0.66 < sum(right[False]) / len(right[False]) < 0.75


def test_half_the_habitual_errors_copy_the_words_unreversed():
    rows = demonstrations(sample_prompts("instruct", "train", 6000, 0), 0)
    asked = [row for row in rows if prompt_text(row).startswith("reverse")]
    unreversed = [" ".join(right_answer(read_instruction(prompt_text(row)))[::-1]) in row["response"] for row in asked]
    assert sum(unreversed) / len(asked) > 0.4


def test_demonstrations_have_the_style_of_the_head_room():
    prompts = sample_prompts("instruct", "train", 4000, 0)
    golds = score(prompts, [row["response"] for row in demonstrations(prompts, 0)], [True] * len(prompts))
    assert sum(gold.parts["closers"] for gold in golds) / len(golds) == pytest.approx(0.59, abs=0.05)
    assert sum(gold.parts["opener"] for gold in golds) / len(golds) == pytest.approx(0.5, abs=0.04)
    assert sum(gold.parts["junk"] for gold in golds) == 0
