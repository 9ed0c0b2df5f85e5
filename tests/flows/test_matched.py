"""What arms share: seeds of rounds that never meet."""

from hypothesis import given
from hypothesis import strategies as st

from flows.matched import ROUNDS_APART, seed_of_round

ROUNDS = st.tuples(st.integers(0, ROUNDS_APART - 1), st.integers(0, 100))


@given(one=ROUNDS, other=ROUNDS)
def test_no_round_of_one_seed_has_the_random_numbers_of_another_s(one, other):
    assert (seed_of_round(*one) == seed_of_round(*other)) == (one == other)


@given(seed=st.integers(0, ROUNDS_APART - 1))
def test_the_first_round_has_the_seed_of_the_run(seed):
    assert seed_of_round(seed, 0) == seed
