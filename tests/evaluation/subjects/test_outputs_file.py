import json

import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.subjects.outputs import OutputsFile, answers_in, dig, is_annotated, read_outputs
from tasks.evaluation.suites.suite import Question


def written(folder, rows, name="outputs.jsonl", **columns) -> OutputsFile:
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return OutputsFile(path=str(path), digest="0" * 64, **columns)


QUESTIONS = [
    Question("a", [{"role": "user", "content": "Name a colour."}]),
    Question("b", [{"role": "user", "content": "Count to two."}], aliases=["7"]),
]


def test_rows_are_found_by_id_alias_and_text(tmp_path):
    by_id = written(tmp_path, [{"uid": "b", "answer": "1 2"}, {"uid": "a", "answer": "red"}], "id.jsonl")
    assert [answer.responses for answer in answers_in(by_id, QUESTIONS)] == [["red"], ["1 2"]]
    by_alias = written(tmp_path, [{"index": 7, "output": "1 2"}], "alias.jsonl")
    assert [answer.prompt_id for answer in answers_in(by_alias, QUESTIONS)] == ["b"]
    by_text = written(tmp_path, [{"instruction": "Name a colour.", "output": "blue"}], "text.jsonl")
    assert answers_in(by_text, QUESTIONS)[0].responses == ["blue"]


def test_turns_answer_the_questions_of_their_turn(tmp_path):
    rows = [{"question_id": 81, "choices": [{"index": 0, "turns": ["first", "second"]}]}]
    asked = [Question(f"81/{turn}", "?") for turn in (1, 2)]
    assert [answer.responses for answer in answers_in(written(tmp_path, rows), asked)] == [["first"], ["second"]]


def test_a_column_may_lie_inside_an_object(tmp_path):
    rows = [{"question": "Name a colour.", "175b": {"solution": "teal"}}]
    outputs = written(tmp_path, rows, response_column="175b.solution")
    assert answers_in(outputs, QUESTIONS)[0].responses == ["teal"]
    assert dig({"a": [{"b": 1}]}, "a.-1.b") == 1
    assert dig({"a": 1}, "a.b") is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"uid": "a", "text_of_it": "red"}], r"first row has no output or .*response_column"),
        ([{"answer": "red"}], r"first row has no prompt_id or .*id_column"),
        ([{"uid": "z", "answer": "red"}], r"none of its 1 rows answers a question"),
        ([{"uid": "a", "answer": {"text": "red"}}], r"row 1 has dict in column 'answer'"),
    ],
)
def test_a_file_that_cannot_answer_says_why(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        answers_in(written(tmp_path, rows), QUESTIONS)


def test_a_file_has_no_log_probabilities(tmp_path):
    outputs = written(tmp_path, [{"uid": "a", "answer": "red"}])
    with pytest.raises(UserError, match="'a' wants log-probabilities"):
        answers_in(outputs, [Question("a", "Q:", candidates=["x", "y"])])


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no rows"):
        read_outputs(written(tmp_path, []))


def test_annotations_are_told_from_outputs(shared_data):
    annotated = OutputsFile(path=str(shared_data / "alpaca_eval/annotations/claude.jsonl.gz"), digest="0" * 64)
    plain = OutputsFile(path=str(shared_data / "arena_hard/model_answer/gpt-4-0613.jsonl.gz"), digest="0" * 64)
    assert is_annotated(read_outputs(annotated))
    assert not is_annotated(read_outputs(plain))


def test_lengths_in_tokens_come_along(tmp_path):
    rows = [{"uid": "a", "answer": "red", "token_len": 3}, {"uid": "b", "answer": "1 2"}]
    assert [answer.tokens for answer in answers_in(written(tmp_path, rows), QUESTIONS)] == [[3], []]


def test_responses_that_differ_are_refused_where_one_is_wanted(tmp_path):
    outputs = written(tmp_path, [{"uid": "a", "answer": text} for text in ("red", "green")])
    with pytest.raises(UserError, match="2 rows answer question 'a' and differ"):
        answers_in(outputs, QUESTIONS)
    several = Question("a", QUESTIONS[0].prompt, samples=2)
    assert answers_in(outputs, [several])[0].responses == ["red", "green"]


def test_half_a_surrogate_pair_is_mended(tmp_path):
    path = tmp_path / "cut.jsonl"
    path.write_text('{"uid": "a", "answer": "cut \\ud83d"}\n{"uid": "b", "answer": "whole \\ud83d\\ude00"}')
    answers = answers_in(OutputsFile(path=str(path), digest="0" * 64), QUESTIONS)
    assert [answer.responses for answer in answers] == [["cut \ufffd"], ["whole \U0001f600"]]
