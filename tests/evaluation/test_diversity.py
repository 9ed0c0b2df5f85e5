import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.diversity import distinct_by_prompt, distinct_n, length_statistics


def test_distinct_n_counted_by_hand():
    assert distinct_n(["a b a b", "a c"], 1) == pytest.approx(3 / 6)
    assert distinct_n(["a b a b", "a c"], 2) == pytest.approx(3 / 4)


def test_n_grams_do_not_cross_responses():
    assert distinct_n(["a", "b"], 2) == 0.0


def test_identical_samples_of_a_prompt_share_their_words():
    scores = distinct_by_prompt({"p": ["x y"] * 4, "q": ["x y", "z w"]}, 1)
    assert scores == {"p": 0.25, "q": 1.0}


texts = st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), min_size=1, max_size=5)


@given(texts, st.integers(1, 3))
def test_distinct_is_a_share_and_repeating_everything_halves_it(responses, n):
    once = distinct_n(responses, n)
    assert 0.0 <= once <= 1.0
    assert distinct_n(responses * 2, n) == pytest.approx(once / 2)


def test_length_statistics_of_a_small_sample():
    found = length_statistics([1, 2, 3, 4, 10])
    assert found == pytest.approx(
        {"mean": 4.0, "standard_deviation": 3.5355339, "median": 3.0, "p90": 7.6, "maximum": 10.0}
    )
    assert length_statistics([5])["standard_deviation"] == 0.0
