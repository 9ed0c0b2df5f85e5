import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.suites.code_extraction import defines, fenced_block, names_under_test
from tasks.evaluation.suites.mbpp import MBPP
from tasks.evaluation.suites.suite import Answer

ROWS = [
    {
        "task_id": 2,
        "text": "Only for prompts.",
        "code": "def g():\n    return 1",
        "test_list": ["assert g() == 1"],
        "test_setup_code": "",
    },
    {
        "task_id": 11,
        "text": "Write a function to add two numbers.",
        "code": "def sum(a, b):\r\n  return a + b",
        "test_list": ["assert sum(1, 2) == 3", "assert sum(0, 0) == 0", "assert sum(-1, 1) == 0"],
        "test_setup_code": "",
    },
    {
        "task_id": 12,
        "text": "Write a function to take the root of a number.",
        "code": "import math\ndef root(x):\n    return math.sqrt(x)",
        "test_list": ["assert math.isclose(root(4), 2)", "assert set([root(9)]) == set([3.0])"],
        "test_setup_code": "",
    },
    {
        "task_id": 13,
        "text": "Write a function to find the height of a tree.",
        "code": "class Node:\n    def __init__(self, x):\n        self.left = None\n"
        "def height(n):\n    return 1 + height(n.left) if n else 0",
        "test_list": ["assert height(root) == 2", "assert height(None) == 0"],
        "test_setup_code": "root = Node(1)\nroot.left = Node(2)",
    },
    {"task_id": 511, "text": "Only for training.", "code": "x = 1", "test_list": ["assert x"], "test_setup_code": ""},
]
FIRST = (
    "You are an expert Python programmer, and here is your task: Write a function to find the similar elements from "
    "the given two tuple lists. Your code should pass these tests:\n\n"
    "assert similar_elements((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)\n"
    "assert similar_elements((1, 2, 3, 4),(5, 4, 3, 7)) == (3, 4)\n"
    "assert similar_elements((11, 12, 14, 13),(17, 15, 14, 13)) == (13, 14)\n[BEGIN]\ndef similar_elements("
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mbpp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    sanitized = [
        {"task_id": row["task_id"], "prompt": row["text"], "code": row["code"], "test_list": row["test_list"],
         "test_imports": ["import math"]}
        for row in ROWS[:3]
    ]  # fmt: skip
    (tmp_path / "sanitized-mbpp.json").write_text(json.dumps(sanitized))
    return tmp_path


@pytest.fixture(autouse=True, scope="module")
def isolated():
    try:
        require_isolation(Limits())
    except UserError as error:
        pytest.skip(str(error))


def test_every_reference_passes_and_the_split_is_the_papers(folder):
    suite = MBPP(data=str(folder))
    questions = suite.questions({})
    assert [question.prompt_id for question in questions] == ["mbpp/11", "mbpp/12", "mbpp/13"]
    answers = {problem.task_id: Answer(problem.task_id, [problem.reference]) for problem in suite.problems()}
    found = suite.evaluate(answers, judge=None)
    assert list(found.samples["reason"]) == ["passed"] * 3
    assert found.aggregates[0].value == 1.0


def test_prompt_is_the_three_examples_and_the_task(folder):
    question = MBPP(data=str(folder)).questions({})[0]
    assert question.prompt.startswith(FIRST)
    assert question.prompt.count("[BEGIN]\n") == 4
    assert question.prompt.count("\n[DONE]\n\n") == 3
    assert question.prompt.endswith(
        "here is your task: Write a function to add two numbers. Your code should pass these tests:\n\n"
        "assert sum(1, 2) == 3\nassert sum(0, 0) == 0\nassert sum(-1, 1) == 0\n[BEGIN]\n"
    )
    assert tuple(question.stop) == ("[DONE]",)


def test_sanitized_rows_have_their_own_columns(folder):
    suite = MBPP(data=str(folder), variant="sanitized", style="chat")
    questions = suite.questions({})
    assert len(questions) == 2
    assert questions[0].prompt[0]["content"].endswith("Put the whole program into one markdown code block.")
    answers = {p.task_id: Answer(p.task_id, [f"Here:\n```python\n{p.reference}\n```"]) for p in suite.problems()}
    assert set(suite.evaluate(answers, judge=None).samples["reason"]) == {"passed"}


@pytest.mark.parametrize(
    ("task_id", "program"),
    [
        ("mbpp/11", "def sum(a, b):\n    return a - b"),
        ("mbpp/12", "def root(x):\n    return 0\nclass math:\n    isclose = lambda *_: True\nset = lambda x: 1"),
        ("mbpp/12", "import math\nmath.isclose = lambda *_: True\ndef root(x):\n    return 0.5"),
        ("mbpp/13", "class Node:\n    pass\ndef height(n):\n    return 2"),
        ("mbpp/13", "def height(n):\n    return 2"),
    ],
)
def test_wrong_programs_fail_also_if_they_redefine_what_tests_use(folder, task_id, program):
    suite = MBPP(data=str(folder))
    answers = {p.task_id: Answer(p.task_id, [p.reference]) for p in suite.problems()} | {
        task_id: Answer(task_id, [program])
    }
    found = suite.evaluate(answers, judge=None).samples.set_index("prompt_id")["outcome"]
    assert found[task_id] == "failed"
    assert (found.drop(task_id) == "passed").all()


def test_what_follows_done_is_no_program(folder):
    suite = MBPP(data=str(folder), limit=1)
    response = "def sum(a, b):\n    return a + b\n[DONE]\n\nYou are an expert"
    assert suite.evaluate({"mbpp/11": Answer("mbpp/11", [response])}, judge=None).aggregates[0].value == 1.0


def test_unanswered_problems_are_named(folder):
    with pytest.raises(UserError, match="mbpp: 3 of 3 questions are not answered: mbpp/11"):
        MBPP(data=str(folder)).evaluate({}, judge=None)


@pytest.mark.parametrize("tests", [[], "assert f()", [1], ["assert f( =="]])
def test_rows_without_usable_tests_are_named(tmp_path, tests):
    row = {"task_id": 11, "text": "x", "code": "def f(): pass", "test_list": tests}
    (tmp_path / "mbpp.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=r"mbpp\.jsonl row 1"):
        MBPP(data=str(tmp_path)).questions({})


def test_names_come_from_the_reference_or_are_nobody_elses():
    assert names_under_test("assert f(x) == max(1, math.pi)", "def f(x): pass") == (("f", "x"), ("math",))
    assert names_under_test("assert sum(1, 2) == 3", "def sum(a, b): pass") == (("sum",), ())
    assert names_under_test("assert sum([1]) == f()", "def f(): pass") == (("f",), ())
    caught = "try:\n    f(0)\nexcept ValueError as error:\n    assert str(error) == 'x'"
    assert names_under_test(caught, "def f(x): pass") == (("f",), ())
    assert names_under_test("import math\nfor i in range(3):\n    assert f(i)", "broken(") == (("f",), ())


@pytest.mark.parametrize(
    "response",
    [
        "```python\ndef f():\n    return 1\n```",
        "1. So:\n   ```python\n   def f():\n       return 1\n   ```\n",
        "```\n```\n```python\ndef f():\n    return 1\n```",
        "```python\nimport math\n```\nand ```python\ndef f():\n    return 1",
    ],
)
def test_the_program_is_found_where_markdown_has_it(response):
    assert fenced_block(response, ("f",)) == "def f():\n    return 1"


@given(st.text("ab`\n def():", max_size=60))
def test_extraction_takes_any_text(response):
    block = fenced_block(response, ("f",))
    assert "".join(block.split()) in "".join(response.split())
    assert isinstance(defines(block, ("f",)), bool)


def test_the_other_variants_file_and_a_doubled_task_are_refused(folder):
    rows = json.loads((folder / "sanitized-mbpp.json").read_text())
    (folder / "mbpp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match="has a column 'prompt', and so is not the full set"):
        MBPP(data=str(folder)).questions({})
    (folder / "sanitized-mbpp.json").write_text(json.dumps([*rows, rows[1]]))
    with pytest.raises(UserError, match="row 4 has the 'task_id' of row 2"):
        MBPP(data=str(folder), variant="sanitized").questions({})
