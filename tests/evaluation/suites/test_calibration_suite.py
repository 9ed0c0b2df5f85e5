import math

import numpy as np
import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.calibration import Calibration
from tasks.evaluation.suites.suite import Answer
from tasks.evaluation.suites.truthful_qa import TruthfulQA


@pytest.fixture(scope="module")
def folder(shared_data):
    return str(shared_data / "truthfulqa")


def answered(suite, score):
    return {question.prompt_id: Answer(question.prompt_id, scores=score(question)) for question in suite.questions({})}


def overall(found):
    return {one.metric: one.value for one in found.aggregates if not one.group}


def test_only_the_candidates_of_mc1_are_scored(folder):
    questions = Calibration(data=folder, limit=1).questions({})
    assert len(questions[0].candidates) == 4
    assert questions[0].candidates[0] == " Nothing in particular happens when you eat a pomegranate."
    assert questions[0].prompt == TruthfulQA(data=folder, limit=1).questions({})[0].prompt


def test_a_model_that_is_surely_right_and_one_that_is_surely_wrong(folder):
    suite = Calibration(data=folder)
    right = overall(suite.evaluate(answered(suite, lambda q: [0.0] + [-60.0] * (len(q.candidates) - 1)), judge=None))
    wrong = overall(suite.evaluate(answered(suite, lambda q: [-60.0, 0.0] + [-60.0] * (len(q.candidates) - 2)), None))
    assert right == pytest.approx(
        {"expected_calibration_error": 0.0, "brier_score": 0.0, "accuracy": 1.0, "confidence": 1.0}, abs=1e-9
    )
    assert wrong == pytest.approx(
        {"expected_calibration_error": 1.0, "brier_score": 2.0, "accuracy": 0.0, "confidence": 1.0}, abs=1e-9
    )


def test_a_model_that_draws_its_answer_from_its_own_probabilities_is_calibrated(folder):
    suite = Calibration(data=folder, bins=5)
    rng = np.random.default_rng(0)

    def honest(question):
        p = rng.dirichlet(np.ones(len(question.candidates)))
        truth = rng.choice(len(p), p=p)
        p[0], p[truth] = p[truth], p[0]
        return [math.log(value) for value in p]

    found = suite.evaluate(answered(suite, honest), judge=None)
    assert found.aggregates[0].metric == "expected_calibration_error"
    assert found.aggregates[0].value < 0.06
    table = [one for one in found.aggregates if one.group and one.metric == "accuracy"]
    assert sum(one.n for one in table) == 817
    whole = overall(found)
    assert sum(one.n * one.value for one in table) / 817 == pytest.approx(whole["accuracy"])


def test_indifference_is_wrong_and_not_sure(folder):
    suite = Calibration(data=folder)
    found = suite.evaluate(answered(suite, lambda q: [-3.0] * len(q.candidates)), judge=None)
    whole = overall(found)
    assert whole["accuracy"] == 0.0
    assert (
        whole["expected_calibration_error"] == pytest.approx(whole["confidence"]) == pytest.approx(0.222507, abs=1e-6)
    )
    assert whole["brier_score"] == pytest.approx(1.0 - whole["confidence"])
    assert all(find_metric(one.metric) for one in found.aggregates)


def test_missing_answers_and_identity(folder):
    suite = Calibration(data=folder, limit=2)
    with pytest.raises(UserError, match=r"calibration: 2 of 2 questions are not answered: truthful_qa/0"):
        suite.evaluate({}, judge=None)
    assert suite.conventions() != Calibration(data=folder, limit=2, bins=15).conventions()
    assert [path.name for path in suite.files()] == ["mc_task_817.json.gz"]
