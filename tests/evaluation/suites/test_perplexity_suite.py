import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.perplexity import Perplexity, ratio_aggregate
from tasks.evaluation.suites.suite import Answer


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("ab cd", "", "é", " \n", "abcdefgh")))
    return str(path)


def answered(suite, tokens, nats_per_token):
    return {
        question.prompt_id: Answer(question.prompt_id, scores=[-count * nats_per_token], tokens=[count])
        for question, count in zip(suite.questions({}), tokens, strict=True)
    }


def test_texts_are_candidates_after_an_empty_prompt(texts):
    questions = Perplexity(data=texts).questions({})
    assert [(question.prompt, question.candidates) for question in questions] == [
        ("", ("ab cd",)),
        ("", ("é",)),
        ("", ("abcdefgh",)),
    ]
    assert len(Perplexity(data=texts, limit=2).questions({})) == 2


def test_a_uniform_model_has_its_vocabulary_for_perplexity(texts):
    suite = Perplexity(data=texts)
    found = suite.evaluate(answered(suite, (2, 1, 4), math.log(50.0)), judge=None)
    perplexity, bits = found.aggregates
    assert (perplexity.metric, perplexity.value, perplexity.n) == ("perplexity", pytest.approx(50.0), 3)
    assert (perplexity.low, perplexity.high) == pytest.approx((50.0, 50.0))
    assert bits.value == pytest.approx(7 * math.log2(50.0) / (5 + 2 + 8))
    assert all(find_metric(one.metric) for one in found.aggregates)
    assert list(found.samples["bytes"]) == [5, 2, 8]


def test_long_texts_weigh_more(texts):
    suite = Perplexity(data=texts, limit=2)
    answers = {
        "perplexity/0": Answer("perplexity/0", scores=[-9.0], tokens=[9]),
        "perplexity/1": Answer("perplexity/1", scores=[-3.0], tokens=[1]),
    }
    found = suite.evaluate(answers, judge=None)
    assert found.aggregates[0].value == pytest.approx(math.exp(12 / 10))
    assert set(found.scores["metric"]) == {"bits_per_byte"}
    assert list(found.samples["perplexity"]) == pytest.approx([math.e, math.exp(3.0)])


def test_without_token_counts_there_are_bits_per_byte_only(texts):
    suite = Perplexity(data=texts, limit=1)
    found = suite.evaluate({"perplexity/0": Answer("perplexity/0", scores=[-5 * math.log(2.0)])}, judge=None)
    assert [(one.metric, one.value) for one in found.aggregates] == [("bits_per_byte", pytest.approx(1.0))]
    assert "number of tokens" in found.notes[0]
    assert math.isnan(found.aggregates[0].low)


def test_lines_of_a_text_file_and_files_without_text(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("one\n\n two\n")
    assert [question.candidates for question in Perplexity(data=str(tmp_path)).questions({})] == [("one",), (" two",)]
    path.write_text(" \n")
    with pytest.raises(UserError, match=r"perplexity: .*texts\.txt holds no text"):
        Perplexity(data=str(path)).questions({})


def test_missing_scores_and_empty_texts_are_refused(texts):
    suite = Perplexity(data=texts)
    with pytest.raises(UserError, match="perplexity: 3 of 3 questions are not answered"):
        suite.evaluate({}, judge=None)
    with pytest.raises(UserError, match="perplexity/1 has no token"):
        suite.evaluate(answered(suite, (2, 0, 4), 1.0), judge=None)


@given(st.lists(st.tuples(st.floats(0.0, 50.0), st.integers(1, 50)), min_size=2, max_size=20))
def test_the_interval_holds_the_value_and_doubling_the_sizes_halves_the_ratio(rows):
    parts, sizes = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = ratio_aggregate("bits_per_byte", parts, sizes, float)
    assert found.low <= found.value <= found.high
    assert ratio_aggregate("bits_per_byte", parts, 2 * sizes, float).value == pytest.approx(found.value / 2)


def test_the_linearised_standard_error_is_that_of_simulated_corpora():
    rng = np.random.default_rng(0)

    def corpus():
        sizes = rng.integers(5, 50, 200).astype(float)
        return ratio_aggregate("bits_per_byte", sizes * rng.normal(2.0, 0.5, 200), sizes, float)

    found = [corpus() for _ in range(400)]
    assert np.mean([one.low <= 2.0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.03)
    mean_error = np.mean([one.standard_error for one in found])
    assert np.std([one.value for one in found]) == pytest.approx(mean_error, rel=0.15)


def test_an_impossible_text_has_infinite_perplexity(texts):
    suite = Perplexity(data=texts)
    found = suite.evaluate(answered(suite, (2, 1, 4), 1e5), judge=None)
    assert found.aggregates[0].value == math.inf
    assert math.isfinite(found.aggregates[1].value)
