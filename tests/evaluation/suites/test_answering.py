import math

import numpy as np
import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.suite import Answer, Question

ASKED = [Question(f"p{number}", "?") for number in range(8)]


def test_answers_come_in_the_order_of_the_questions():
    answers = {f"p{number}": Answer(f"p{number}", ["yes"]) for number in reversed(range(8))}
    assert [answer.prompt_id for answer in require_answers("x", ASKED, answers)] == [q.prompt_id for q in ASKED]
    assert unanswered(ASKED, answers) == []
    del answers["p3"]
    assert unanswered(ASKED, answers) == [ASKED[3]]


def test_the_error_names_the_suite_the_count_and_the_first_five():
    with pytest.raises(UserError) as caught:
        require_answers("x", ASKED, {"p1": Answer("p1", ["yes"]), "p0": Answer("p0")})
    assert str(caught.value).startswith("x: 7 of 8 questions are not answered: p0 (no response), p2 (no answer), p3")
    assert "p6" not in str(caught.value)


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([], "0 scores of 2"),
        ([0.0], "1 scores of 2"),
        ([0.0, -math.inf], "not finite"),
        ([math.nan, 0.0], "not finite"),
    ],
)
def test_scores_fit_the_candidates(scores, problem):
    question = Question("p", "?", candidates=("a", "b"))
    with pytest.raises(UserError, match=problem):
        require_answers("x", [question], {"p": Answer("p", scores=scores)})


def test_scores_by_prompt():
    frame = score_frame({"accuracy": {"p": 1, "q": 0.5}, "confidence": {"q": 0.25}})
    assert list(frame.itertuples(index=False, name=None)) == [
        ("p", "accuracy", 1.0),
        ("q", "accuracy", 0.5),
        ("q", "confidence", 0.25),
    ]
    assert list(score_frame({}).columns) == ["prompt_id", "metric", "value"]


def test_shares_of_0_and_1_have_wilsons_interval():
    found = mean_aggregate("accuracy", [1.0] * 8 + [0.0] * 2, "easy")
    assert (found.value, found.n, found.group, found.method) == (0.8, 10, "easy", "mean, Wilson 95 %")
    assert (found.low, found.high) == pytest.approx((0.4901625, 0.9433178))
    assert mean_aggregate("accuracy", [1.0]).low > 0.2


def test_other_values_have_students_inside_the_range():
    values = [0.0, 0.5, 1.0, 1.0]
    found = mean_aggregate("accuracy", values)
    error = np.std(values, ddof=1) / 2
    assert found.standard_error == pytest.approx(error)
    assert found.low == 0.0 > 0.625 - 3.1824463 * error
    assert found.high == 1.0
    assert mean_aggregate("gold_reward", [0.0, 1.0]).low < 0.0, "a metric that is no share may be 0 and 1 by chance"
    assert math.isnan(mean_aggregate("gold_reward", [3.0]).low)


def test_equal_values_of_a_bounded_metric_are_not_certain():
    ties = mean_aggregate("win_rate", [0.5, 0.5, 0.5])
    assert (ties.value, ties.standard_error) == (0.5, 0.0)
    reach = 0.5 * (1.0 - 0.025 ** (1.0 / 3.0))
    assert (ties.low, ties.high) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert "Clopper-Pearson" in ties.method
    assert mean_aggregate("response_characters", [3.0, 3.0]).low == 3.0, "nothing bounds what others might be"


def test_no_value_is_an_error():
    with pytest.raises(UserError, match="accuracy of Chat: there is no value"):
        mean_aggregate("accuracy", [], "Chat")
