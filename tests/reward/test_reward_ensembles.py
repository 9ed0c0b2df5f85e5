"""Aggregates of ensembles against the numbers of their paper's card, and their invariants."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.reward import ensembles

SCORES = torch.tensor([[1.0, 0.2, -0.5], [0.6, 0.9, -0.1], [1.4, -0.3, 0.3], [0.8, 0.5, -0.7]], dtype=torch.float64)
TABLES = st.integers(1, 6).flatmap(
    lambda rows: st.lists(st.lists(st.floats(-50, 50), min_size=rows, max_size=rows), min_size=1, max_size=6)
)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (ensembles.mean, [0.95, 0.325, -0.25]),
        (ensembles.worst_case, [0.6, -0.3, -0.7]),
        (lambda scores: ensembles.uncertainty_weighted(scores, 0.5), [0.90625, 0.2290625, -0.32375]),
        (lambda scores: ensembles.uncertainty_weighted(scores, 0.5, "sample"), [0.891667, 0.197083, -0.348333]),
    ],
)
def test_numbers_of_the_card(aggregate, expected):
    assert aggregate(SCORES).tolist() == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_an_ensemble_of_one_is_its_member(row):
    scores = torch.tensor([row], dtype=torch.float64)
    for found in (
        ensembles.mean(scores), ensembles.worst_case(scores),
        ensembles.uncertainty_weighted(scores, 3.0), ensembles.uncertainty_weighted(scores, 3.0, "sample"),
    ):  # fmt: skip
        assert found.tolist() == row


@given(TABLES)
def test_order_of_members_does_not_count_and_the_worst_is_lowest(table):
    scores = torch.tensor(table, dtype=torch.float64)
    for aggregate in (ensembles.mean, ensembles.worst_case, lambda s: ensembles.uncertainty_weighted(s, 0.5)):
        torch.testing.assert_close(aggregate(scores), aggregate(scores.flip(0)))
    assert (ensembles.worst_case(scores) <= ensembles.mean(scores) + 1e-9).all()


def test_without_a_penalty_uncertainty_weighting_is_the_mean():
    assert torch.equal(ensembles.uncertainty_weighted(SCORES, 0.0), ensembles.mean(SCORES))


def test_standardising_undoes_a_members_scale_and_offset():
    moved = SCORES * torch.tensor([[1.0], [10.0], [0.1], [3.0]]) + torch.tensor([[0.0], [5.0], [-7.0], [1.0]])
    found = ensembles.standardised(moved, [0.0, 5.0, -7.0, 1.0], [1.0, 10.0, 0.1, 3.0])
    torch.testing.assert_close(found, SCORES)


def test_a_member_that_never_varied_gives_finite_scores():
    assert torch.isfinite(ensembles.standardised(SCORES[:1], [0.0], [0.0])).all()
