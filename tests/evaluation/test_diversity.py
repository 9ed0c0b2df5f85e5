import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.diversity import (
    distinct_by_prompt,
    distinct_n,
    length_statistics,
    meteor,
    meteor_similarity,
    self_bleu,
)


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


def test_meteor_counted_by_hand():
    assert meteor("the cat sat", "the cat sat") == pytest.approx(1.0 - 0.5 / 27)
    assert meteor("the cat runs", "the Cats run") == pytest.approx(1.0 - 0.5 / 27), "stems match"
    precision, recall = 2 / 4, 2 / 3
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    assert meteor("a b c", "a x b y") == pytest.approx(mean * (1.0 - 0.5 * (2 / 2) ** 3)), "two chunks of one word"
    assert meteor("a b", "c d") == meteor("", "") == 0.0


def test_meteor_of_the_example_in_the_documentation_of_nltk():
    response = "It is a guide to action which ensures that the military always obeys the commands of the party"
    reference = "It is a guide to action that ensures that the military will forever heed Party commands"
    assert meteor(reference, response) == pytest.approx(0.6944, abs=5e-5)


def test_self_bleu_of_equal_and_of_unlike_responses():
    assert self_bleu(["one two three four five"] * 3) == pytest.approx(1.0)
    unlike = self_bleu(["one two three four five", "six seven eight nine ten"])
    assert unlike < 0.1 < self_bleu(["one two three four five", "one two three nine ten"]) < 1.0


def test_self_bleu_is_sacrebleus_of_each_against_the_rest():
    import sacrebleu

    texts = ["the cat sat on the mat", "the cat sat on a mat", "a dog sat on the mat today"]
    by_hand = [
        sacrebleu.sentence_bleu(text, [other for other in texts if other != text], use_effective_order=True).score
        for text in texts
    ]
    assert self_bleu(texts) == pytest.approx(sum(by_hand) / 300)


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), min_size=2, max_size=5))
def test_likeness_is_a_share_that_does_not_depend_on_the_order_of_samples(responses):
    for likeness in (self_bleu, meteor_similarity):
        assert 0.0 <= likeness(responses) <= 1.0
        assert likeness(responses[::-1]) == pytest.approx(likeness(responses))


def test_likeness_wants_two_responses():
    for likeness in (self_bleu, meteor_similarity):
        with pytest.raises(ValueError, match="there is 1"):
            likeness(["alone"])
