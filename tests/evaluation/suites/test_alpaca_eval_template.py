import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.rows import user_prompt
from tasks.evaluation.judges.judge import Comparison, Completion
from tasks.evaluation.suites.alpaca_eval_template import SYSTEM, WeightedPreference


def comparison(first="A", second="B", instruction="Do it"):
    return Comparison("one", user_prompt(instruction), first, second)


def test_the_judge_is_asked_in_the_official_words():
    request = WeightedPreference().request(comparison("{output_1}", "{output_2}", "{instruction}"), 0, "")
    asked = "".join(message["content"] for message in request.messages)
    assert hashlib.sha256(asked.encode()).hexdigest()[:16] == "4f3835431e0e3a89"
    assert (request.max_tokens, request.temperature, request.top_logprobs) == (1, 1.0, 5)
    assert [message["role"] for message in request.messages] == ["system", "user"]
    assert request.messages[0]["content"] == SYSTEM


@given(st.floats(-800, 0), st.floats(-800, 0))
def test_the_preference_is_the_second_identifiers_share(first, second):
    completion = Completion("m", [("m", first), ("Both", -1.0), ("M", second)])
    found = WeightedPreference().read(comparison(), completion).preference
    assert found == pytest.approx(1.0 / (1.0 + math.exp(min(700.0, first - second))), abs=1e-12)


@pytest.mark.parametrize(
    ("tokens", "preference"),
    [
        ([("M", -0.053238038), ("m", -2.9594882), ("Based", -16.6)], 0.9481545413),
        ([("M", -3.0)], 1.0),
        ([("m", -3.0), ("The", -0.1)], 0.0),
        ([("The", -0.1)], None),
        ([], None),
    ],
)
def test_missing_identifiers(tokens, preference):
    found = WeightedPreference().read(comparison(), Completion("", tokens)).preference
    assert found == (preference if preference is None else pytest.approx(preference, abs=1e-9))
