"""The best of several arms, and orders that agree: what each claims, and when it must not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.engine.schema import UserError
from tasks.evaluation.evidence_over_arms import BestOfArms, OrderAgreement, order_agreement
from tasks.evaluation.scores import concat_scores, score_rows

ARMS = ("a", "b", "c")


def tidy(arm, values, suite="gold", metric="gold_reward", seeds=None):
    return concat_scores(
        [
            score_rows(
                paper="pf_ppo", arm=arm, seed=seed, suite=suite, metric=metric,
                values={f"{suite}{index}": value for index, value in enumerate(row)},
            )
            for seed, row in zip(seeds or range(len(values)), np.asarray(values, dtype=float), strict=True)
        ]
    )  # fmt: skip


def best(arms=("a", "b"), baseline="c"):
    return BestOfArms(metric="gold_reward", arms=arms, baseline=baseline, suite="gold")


def test_the_best_arm_is_the_one_that_is_compared():
    scores = pd.concat([tidy("a", np.full((3, 8), 1.0)), tidy("b", np.full((3, 8), 2.0)), tidy("c", np.zeros((3, 8)))])
    found = best().measure(scores)
    assert found.values.tolist() == np.full((3, 8), 2.0).tolist()
    assert found.note == "best is mostly b"


def test_one_arm_is_a_plain_difference():
    rng = np.random.default_rng(0)
    one, base = rng.normal(size=(2, 3, 8))
    found = best(arms=("a",)).measure(pd.concat([tidy("a", one), tidy("c", base)]))
    assert found.values == pytest.approx(one - base)


def test_choosing_among_equal_arms_wins_nothing():
    rng = np.random.default_rng(1)
    gaps, naive = [], []
    for _ in range(200):
        values = rng.normal(size=(3, 3, 10))
        found = best().measure(pd.concat([tidy(arm, one) for arm, one in zip(ARMS, values, strict=True)]))
        gaps.append(found.values.mean())
        naive.append(values[:2].mean(axis=(1, 2)).max() - values[2].mean())
    error = np.std(gaps) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 3 * error
    assert np.mean(naive) > 3 * error, "the naive choice does win"


def order(arms=ARMS):
    return OrderAgreement(
        metric="filter_r2", suite="filter_reliability", other_metric="gold_reward", other_suite="gold", arms=arms
    )


def both_suites(r2, gold, seeds=2):
    foretold = [tidy(arm, [[v, v]] * seeds, "filter_reliability", "filter_r2") for arm, v in zip(ARMS, r2, strict=True)]
    found = [tidy(arm, [[v - 1, v, v + 1]] * seeds) for arm, v in zip(ARMS, gold, strict=True)]
    return pd.concat([*foretold, *found])


@pytest.mark.parametrize(
    ("r2", "gold", "expected"),
    [([0.1, 0.2, 0.3], [1, 5, 9], 1.0), ([0.1, 0.2, 0.3], [9, 5, 1], -1.0), ([0.1, 0.2, 0.3], [5, 1, 9], 0.5)],
)
def test_suites_with_other_prompts_are_compared_by_the_order_of_their_means(r2, gold, expected):
    found = order().measure(both_suites(r2, gold))
    assert found.values.tolist() == [[pytest.approx(expected)]] * 2
    assert found.bounds == (-1.0, 1.0)


def test_only_seeds_of_both_suites_count_and_there_must_be_one():
    scores = both_suites([0.1, 0.2, 0.3], [1, 2, 3])
    fewer = scores[(scores["suite"] == "gold") | (scores["seed"] == 1)]
    assert order().measure(fewer).values.tolist() == [[pytest.approx(1.0)]]
    none = scores[(scores["suite"] == "gold") == (scores["seed"] == 1)]
    with pytest.raises(UserError, match="no seed has both filter_reliability and gold"):
        order().measure(none)


def test_two_arms_have_no_order():
    with pytest.raises(ValueError, match="three arms"):
        order(("a", "b"))
    with pytest.raises(ValueError, match="at least one arm"):
        best(arms=())


@given(arrays(float, 5, elements=st.floats(-10, 10)), arrays(float, 5, elements=st.floats(-10, 10)))
def test_agreement_is_symmetric_bounded_and_turns_with_one_of_them(one, other):
    found = order_agreement(one, other)
    assert -1.0 - 1e-9 <= found <= 1.0 + 1e-9
    assert order_agreement(other, one) == pytest.approx(found)
    assert order_agreement(-one, other) == pytest.approx(-found)
    assert order_agreement(np.zeros(5), other) == 0.0
