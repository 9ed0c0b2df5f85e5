import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.schema import UserError
from tasks.evaluation.statistics.bradley_terry import (
    battles_of,
    bootstrap,
    fit,
    players_apart,
    ratings_table,
    win_matrix,
    win_probability,
)

NAMES = ("baseline", "dpo", "ipo", "sft")


def card_battles():
    """Eight wins, two ties and four losses of the model, seen from it."""
    return battles_of(["model"] * 3, ["baseline"] * 3, [1.0, 0.5, 0.0], [8, 2, 4])


def test_card_gap_and_score():
    ratings = fit(card_battles(), "baseline").ratings
    assert ratings["baseline"] == 1000.0
    assert ratings["model"] - 1000.0 == pytest.approx(102.109002, abs=1e-4)
    assert 100 * win_probability(ratings["model"], 1000.0) == pytest.approx(64.285714, abs=1e-5)


counts = st.integers(0, 30)


@given(counts, counts, counts)
@settings(max_examples=40)
def test_two_players_closed_form(wins, ties, losses):
    if wins + ties + losses == 0:
        return
    found = fit(battles_of(["m"] * 3, ["b"] * 3, [1, 0.5, 0], [wins, ties, losses]), "b").ratings
    share = (wins + ties / 2) / (wins + ties + losses)
    assert win_probability(found["m"], found["b"]) == pytest.approx(share, abs=1e-5)


@st.composite
def tournaments(draw):
    """A ring of players with a win each way, so that ratings are finite, and some more battles."""
    ring = [(NAMES[i], NAMES[i - 1], outcome, 1) for i in range(len(NAMES)) for outcome in (1.0, 0.0)]
    pairs = st.sampled_from([(a, b) for a in NAMES for b in NAMES if a != b])
    more = draw(st.lists(st.tuples(pairs, st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 3)), max_size=12))
    return ring + [(a, b, outcome, weight) for (a, b), outcome, weight in more]


def rated(rows, anchor="baseline", **more):
    first, second, outcome, weight = zip(*rows, strict=True)
    return fit(battles_of(first, second, outcome, weight), anchor, **more).ratings


@given(tournaments(), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_order_of_rows_and_of_the_two_players_changes_nothing(rows, rng):
    turned = [(b, a, 1 - outcome, weight) if rng.random() < 0.5 else (a, b, outcome, weight)
              for a, b, outcome, weight in rows]  # fmt: skip
    rng.shuffle(turned)
    one, other = rated(rows), rated(turned)
    assert {name: pytest.approx(value, abs=1e-2) for name, value in one.items()} == other


@given(tournaments(), st.floats(-2000, 2000))
@settings(max_examples=25)
def test_adding_a_constant_to_all_ratings_changes_no_probability(rows, constant):
    one, other = rated(rows), rated(rows, anchor_rating=1000.0 + constant)
    assert {name: value - one[name] for name, value in other.items()} == pytest.approx(
        dict.fromkeys(NAMES, constant), abs=1e-6
    )
    assert np.allclose(win_matrix(one), win_matrix(other), atol=1e-9)


@given(tournaments())
@settings(max_examples=15)
def test_repeating_rows_equals_their_weight(rows):
    repeated = [(a, b, outcome, 1) for a, b, outcome, weight in rows for _ in range(weight)]
    assert rated(rows) == pytest.approx(rated(repeated), abs=1e-6)


def test_a_tie_is_a_win_and_a_loss():
    tied = rated([("dpo", "baseline", 0.5, 2), ("dpo", "baseline", 1.0, 1)])
    split = rated([("dpo", "baseline", 1.0, 2), ("dpo", "baseline", 0.0, 1)])
    assert tied["dpo"] == pytest.approx(split["dpo"], abs=1e-6)


def test_the_win_matrix_of_a_ladder():
    matrix = win_matrix({"a": 1400.0, "b": 1000.0, "c": 1000.0})
    assert list(matrix.index) == ["a", "b", "c"]
    assert matrix.loc["a", "b"] == pytest.approx(10 / 11)
    assert np.allclose(matrix + matrix.T, 1.0)


def test_a_style_column_takes_the_effect_that_style_has():
    rng = np.random.default_rng(0)
    style = rng.normal(size=(4000, 1))
    won = rng.random(4000) < 1 / (1 + np.exp(-(0.5 + 1.5 * style[:, 0])))
    found = fit(battles_of(["m"] * 4000, ["b"] * 4000, won.astype(float), style=style), "b")
    assert found.style[0] == pytest.approx(1.5, abs=0.15)
    assert win_probability(found.ratings["m"], 1000.0) == pytest.approx(1 / (1 + np.exp(-0.5)), abs=0.03)


def test_a_penalty_shrinks_ratings_and_style():
    battles = battles_of(["m"] * 4, ["b"] * 4, [1, 1, 0, 1], style=[[1.0], [0.2], [0.0], [-1.0]])
    loose, tight = fit(battles, "b", penalty=1e-3), fit(battles, "b", penalty=10.0)
    assert abs(tight.style[0]) < abs(loose.style[0])
    assert abs(tight.ratings["m"] - 1000) < abs(loose.ratings["m"] - 1000)


def test_the_bootstrap_interval_of_a_share_is_the_binomial_one():
    battles = battles_of(["m"] * 2, ["b"] * 2, [1, 0], [300, 200])
    shares = win_probability_of(bootstrap(battles, "b", 300, seed=1)["m"])
    assert shares.std() == pytest.approx(np.sqrt(0.6 * 0.4 / 500), rel=0.15)
    assert bootstrap(battles, "b", 3, seed=1).equals(bootstrap(battles, "b", 3, seed=1))


def win_probability_of(ratings):
    return np.array([win_probability(value, 1000.0) for value in ratings])


def test_the_ratings_table_of_a_tournament():
    rows = [("dpo", "baseline", 1.0, 30), ("dpo", "baseline", 0.0, 10), ("sft", "baseline", 0.5, 20),
            ("sft", "dpo", 0.0, 15), ("sft", "dpo", 1.0, 5)]  # fmt: skip
    first, second, outcome, weight = zip(*rows, strict=True)
    table = ratings_table(battles_of(first, second, outcome, weight), "baseline", rounds=40).set_index("player")
    assert next(iter(table.index)) == "dpo"
    assert table.loc["dpo", "score"] == pytest.approx(0.75, abs=0.001)
    assert (table["low"] <= table["rating"]).all()
    assert (table["rating"] <= table["high"]).all()
    assert table.loc["baseline", ["rating", "low", "high", "score"]].tolist() == [1000.0, 1000.0, 1000.0, 0.5]
    assert table.loc["dpo", ["battles", "wins"]].tolist() == [60.0, 45.0]


def test_players_that_nothing_links_cannot_be_rated():
    battles = battles_of(["a", "c"], ["b", "d"], [1, 0])
    assert players_apart(battles, "a") == ["c", "d"]
    with pytest.raises(UserError, match="c, d and a never met"):
        fit(battles, "a")
    with pytest.raises(UserError, match=r"'gpt', .* has no battle; players are a, b, c, d"):
        fit(battles, "gpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": [2.0]}, r"outcomes in \[0, 1\]"),
        ({"outcome": [float("nan")]}, r"outcomes in \[0, 1\]"),
        ({"weight": [0.0]}, "not all 0"),
        ({"second": ["a"]}, "battle 1: 'a' meets itself"),
        ({"style": [[float("nan")]]}, "finite style"),
        ({"first": []}, "want battles"),
    ],
)
def test_what_is_no_battle(change, message):
    good = {"first": ["a"], "second": ["b"], "outcome": [1.0]}
    with pytest.raises(UserError, match=message):
        battles_of(**(good | change))
