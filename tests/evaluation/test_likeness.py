"""Likeness of responses to different prompts, and the spread of seeds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.diversity import distinct_n, meteor, meteor_similarity
from tasks.evaluation.evidence_over_seeds import SpreadDifference, distances
from tasks.evaluation.likeness import distinct_shares, meteor_across
from tasks.evaluation.scores import score_rows

RESPONSES = ["the cat sat", "the dog sat", "my cat ran off", "red green blue"]


def test_with_all_partners_it_is_the_mean_over_all_pairs():
    found = meteor_across(RESPONSES, others=100, seed=0)
    assert np.mean(found) == pytest.approx(meteor_similarity(RESPONSES))
    assert found[0] == pytest.approx(np.mean([meteor(other, RESPONSES[0]) for other in RESPONSES[1:]]))


def test_a_policy_that_says_one_thing_has_collapsed():
    same = meteor_across(["the cat sat on it"] * 6, others=3, seed=0)
    assert min(same) > 0.99
    assert meteor_across(["alone"], others=3, seed=0) == []
    assert meteor_across(RESPONSES, 2, seed=1) == meteor_across(RESPONSES, 2, seed=1)


words = st.lists(st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join), min_size=1, max_size=8)


@given(words, st.integers(1, 3))
def test_weighted_by_its_grams_the_share_is_distinct_n(responses, n):
    counts = np.array([max(0, len(one.split()) - n + 1) for one in responses])
    shares = np.array(distinct_shares(responses, n))
    assert ((shares >= 0.0) & (shares <= 1.0)).all()
    if counts.sum():
        assert (shares * counts).sum() / counts.sum() == pytest.approx(distinct_n(responses, n))


def scores(means: dict[str, list[float]]) -> pd.DataFrame:
    frames = [
        score_rows(
            paper="p", arm=arm, seed=seed, suite="gold", metric="test_reward", values={"a": mean - 1, "b": mean + 1}
        )
        for arm, values in means.items()
        for seed, mean in enumerate(values)
    ]
    return pd.concat(frames, ignore_index=True)


def test_the_spread_of_seeds_is_their_distance_from_the_others():
    assert distances(np.array([1.0, 2.0, 6.0])) == pytest.approx([3.0, 1.5, 4.5])
    table = scores({"steady": [1.0, 1.0, 1.0], "wild": [1.0, 2.0, 6.0]})
    found = SpreadDifference(metric="test_reward", arm="steady", baseline="wild", suite="gold").measure(table)
    assert found.values.ravel() == pytest.approx([-3.0, -1.5, -4.5])
    with pytest.raises(UserError, match="wants three seeds or more, there are 2"):
        SpreadDifference(metric="test_reward", arm="steady", baseline="wild", suite="gold").measure(
            scores({"steady": [1.0, 1.0], "wild": [1.0, 2.0]})
        )
