import gzip
import json

import pytest
from mutants import mutants
from pydantic import ValidationError

from tasks.data.records import read_records
from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Program
from tasks.evaluation.sandbox.running import run_programs
from tasks.evaluation.suites.human_eval import INSTRUCTION, STOPS, HumanEval
from tasks.evaluation.suites.suite import Answer

LIMITS = Limits(wall_seconds=1.0)
TRUTH_ONLY = {"HumanEval/52", "HumanEval/56"}
"""Their tests assert ``candidate(x)`` and ``not candidate(x)``."""
RECORDING = """
calls = []
def recording(*arguments):
    before = repr(arguments)
    value = {name}(*arguments)
    calls.append((before, repr(value)))
    return value
import hashlib
check(recording)
raise RuntimeError("recorded " + hashlib.sha256(repr(calls).encode()).hexdigest())
"""


@pytest.fixture(autouse=True, scope="module")
def isolated():
    try:
        require_isolation(LIMITS)
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def suite(shared_data):
    return HumanEval(data=str(shared_data / "human_eval"))


def write_rows(folder, rows, name="HumanEval.jsonl.gz"):
    with gzip.open(folder / name, "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def self_test(shared_data, tmp_path):
    """The official harness's own check: one problem."""
    write_rows(tmp_path, read_records(shared_data / "human_eval" / "example_problem.jsonl"))
    return tmp_path


def references(suite):
    return {problem.task_id: Answer(problem.task_id, [problem.reference]) for problem in suite.problems()}


def test_every_canonical_solution_passes(suite):
    found = suite.evaluate(references(suite), judge=None)
    assert found.samples.loc[found.samples["outcome"] != "passed", ["prompt_id", "reason"]].to_dict("records") == []
    headline = found.aggregates[0]
    assert (headline.metric, headline.value, headline.n) == ("pass_at_1", 1.0, 164)
    assert headline.low == pytest.approx(164 / (164 + 1.959964**2), abs=1e-6)
    assert found.notes == ["0 of 164 samples failed"]


def test_every_broken_solution_fails_or_does_the_same_on_all_inputs(suite):
    """One mutant a problem, of another place and kind from problem to problem; where one survives, what it and the
    canonical solution return in the test is the same, call by call (but for two tests that look only at a value's
    truth, and None for False), and a solution that returns nothing fails."""
    problems = {problem.task_id: problem for problem in suite.problems()}
    chosen, kinds = {}, set()
    for number, (task_id, problem) in enumerate(problems.items()):
        found = mutants(problem.prompt + problem.reference, problem.names[0])
        kind, chosen[task_id] = found[number % len(found)]
        kinds.add(kind)
    assert kinds == {"comparison", "operator", "constant", "return"}
    outcomes = checked(problems, chosen)
    survivors = [task_id for task_id, outcome in outcomes.items() if outcome.passed]
    assert len(survivors) < 0.2 * len(problems)
    recorded = [
        {task_id: outcome.reason for task_id, outcome in checked(problems, sources, record=True).items()}
        for sources in (
            {task_id: chosen[task_id] for task_id in survivors},
            {task_id: problems[task_id].prompt + problems[task_id].reference for task_id in survivors},
        )
    ]
    assert all(reason.startswith("the test raised RuntimeError: recorded") for reason in recorded[0].values())
    differing = {task_id for task_id in survivors if recorded[0][task_id] != recorded[1][task_id]}
    assert differing == TRUTH_ONLY & set(survivors)
    empty = {task_id: f"{problems[task_id].prompt}\n    return None\n" for task_id in survivors}
    assert not any(outcome.passed for outcome in checked(problems, empty).values())


def checked(problems, sources, record=False):
    programs = []
    for task_id, source in sources.items():
        problem = problems[task_id]
        test = "import random\nrandom.seed(0)\n" + problem.test
        if record:
            call = f"\ncheck({problem.names[0]})\n"
            assert test.endswith(call)
            test = test.removesuffix(call) + RECORDING.replace("{name}", problem.names[0])
        programs.append(Program(task_id, source, test, problem.names, problem.setup))
    return {outcome.sample_id: outcome for outcome in run_programs(programs, LIMITS)}


def test_official_example_samples_give_one_half(shared_data, self_test):
    samples = read_records(shared_data / "human_eval" / "example_samples.jsonl")
    assert len(samples) == 6
    suite = HumanEval(data=str(self_test), samples=6, temperature=0.8, k=[1, 5], limits=LIMITS)
    answers = {"test/0": Answer("test/0", [sample["completion"] for sample in samples])}
    found = suite.evaluate(answers, judge=None)
    assert {a.metric: a.value for a in found.aggregates} == pytest.approx({"pass_at_1": 0.5, "pass_at_5": 1.0})
    assert list(found.samples["outcome"]) == ["failed"] * 3 + ["passed"] * 3
    assert found.samples["reason"][1] == "timed out after 1 s"
    assert found.samples["reason"][2].startswith("the program raised EOFError")
    assert list(found.scores.columns) == ["prompt_id", "metric", "value"]
    assert "3 of 6 samples failed" in found.notes[0]


def test_questions_are_the_prompts_with_the_papers_stops(suite):
    questions = suite.model_copy(update={"samples": 20, "temperature": 0.2}).questions({})
    assert len(questions) == 164
    assert questions[0].prompt_id == "HumanEval/0"
    assert questions[0].prompt.startswith("from typing import List\n\n\ndef has_close_elements(")
    assert tuple(questions[0].stop) == STOPS == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    assert (questions[0].samples, questions[0].temperature, questions[0].max_new_tokens) == (20, 0.2, 512)
    assert suite.questions({q.prompt_id: Answer(q.prompt_id, ["x"]) for q in questions}) == []


CHAT_RESPONSES = {
    "the whole function": "Sure!\n```python\ndef return1():\n    return 1\n```\nDone.",
    "only the body": "```python\n    return 1\n```",
    "after another block": "```sh\npip install x\n```\n```python\ndef return1():\n    return 1\n```",
    "no fence": "def return1():\n    return 1\n",
    "cut off": "```python\ndef return1():\n    return 1\n",
}


def test_chat_responses_are_read_in_every_form(self_test):
    suite = HumanEval(data=str(self_test), style="chat", samples=5, temperature=1.0)
    (question,) = suite.questions({})
    assert question.prompt == [{"role": "user", "content": f"{INSTRUCTION}\n```\ndef return1():\n```"}]
    assert tuple(question.stop) == ()
    found = suite.evaluate({"test/0": Answer("test/0", list(CHAT_RESPONSES.values()))}, judge=None)
    assert dict(zip(CHAT_RESPONSES, found.samples["outcome"], strict=True)) == dict.fromkeys(CHAT_RESPONSES, "passed")
    wrong = Answer("test/0", ["I cannot.", "```python\ndef other():\n    return 1\n```", "", "```\n```", "``` ```"])
    assert set(suite.evaluate({"test/0": wrong}, judge=None).samples["outcome"]) == {"failed"}


def test_a_chat_response_has_the_prompts_imports_and_helpers(suite):
    chat = suite.model_copy(update={"style": "chat"})
    by_name = {problem.names[0]: problem for problem in chat.problems()}
    problem = by_name["decode_cyclic"]
    body = problem.reference.split("\n", 1)[1] if problem.reference.startswith('"""') else problem.reference
    response = f"```python\ndef decode_cyclic(s: str):\n{body}\n```"
    source = chat.program(problem.setup, problem, response)
    (outcome,) = run_programs([Program("x", source, problem.test, problem.names, problem.setup)], LIMITS)
    assert outcome.reason == "passed"


def test_an_unattempted_problem_is_refused_by_name(suite):
    answers = references(suite)
    del answers["HumanEval/7"]
    with pytest.raises(UserError, match=r"human_eval: 1 of 164 questions are not answered: HumanEval/7 \(no answer\)"):
        suite.evaluate(answers, judge=None)


def test_too_few_samples_are_refused_before_and_after_sampling(self_test):
    with pytest.raises(ValidationError, match="pass@10 wants at least 10 samples a problem, samples is 5"):
        HumanEval(samples=5, temperature=0.8, k=[1, 10])
    with pytest.raises(ValidationError, match="pass@3 is not reported"):
        HumanEval(samples=5, temperature=0.8, k=[3])
    with pytest.raises(ValidationError, match="at temperature 0 are one program"):
        HumanEval(samples=5)
    suite = HumanEval(data=str(self_test), samples=10, temperature=0.8, k=[10])
    with pytest.raises(UserError, match="test/0 has 2 samples; pass@10 wants at least 10"):
        suite.evaluate({"test/0": Answer("test/0", ["    return 1"] * 2)}, judge=None)


PLUS_TEST = """
import numpy as np
def check(candidate):
    for one, other in zip([[1.0], [2.0]], [1.0, 4.0]):
        assert np.allclose(candidate(*one), other, rtol=1e-7)
"""


def test_plus_tests_may_use_numpy(tmp_path):
    row = {"task_id": "HumanEval/0", "prompt": "def square(x):\n", "entry_point": "square", "test": PLUS_TEST,
           "canonical_solution": "    return x * x\n"}  # fmt: skip
    write_rows(tmp_path, [row], "HumanEvalPlus.jsonl.gz")
    suite = HumanEval(data=str(tmp_path), variant="plus")
    assert len(suite.questions({})) == 1
    for solution, value in (("    return x * x", 1.0), ("    return x", 0.0), ("    return [x] * 3", 0.0)):
        found = suite.evaluate({"HumanEval/0": Answer("HumanEval/0", [solution])}, judge=None)
        assert found.aggregates[0].value == value
    bare = suite.model_copy(update={"limits": Limits(packages="none")})
    with pytest.raises(UserError, match=r"the test of HumanEval/0 imports numpy.*limits.packages: installed"):
        bare.questions({})


def test_variants_and_settings_are_part_of_the_conventions():
    suites = [
        HumanEval(),
        HumanEval(variant="plus"),
        HumanEval(style="chat"),
        HumanEval(limit=10),
        HumanEval(samples=2, temperature=0.2),
        HumanEval(limits=Limits(wall_seconds=10)),
    ]
    assert len({suite.conventions().model_dump_json() for suite in suites}) == len(suites)
    assert "plus tests" in HumanEval(variant="plus").conventions().version


def test_a_row_without_a_test_is_named(tmp_path):
    write_rows(
        tmp_path, [{"task_id": "a", "prompt": "def f():", "entry_point": "f", "canonical_solution": " ", "test": ""}]
    )
    with pytest.raises(UserError, match="row 1: 'canonical_solution'"):
        HumanEval(data=str(tmp_path)).questions({})
