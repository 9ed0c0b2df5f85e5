"""How exploitable a mixture of styles is: 0 where all are equally likely, the circle's edge for one alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluation.styles import exploitability
from tasks.policy.fresh.labellers import CyclicLabels

LABELS = CyclicLabels(advantage=0.8)


@pytest.mark.parametrize("style", [0, 1, 2])
def test_one_style_alone_is_beaten_as_often_as_the_circle_says(style):
    assert exploitability(np.full(10, style), LABELS) == pytest.approx(np.full(10, 0.3))


def test_the_even_mixture_cannot_be_exploited():
    styles = np.repeat(np.arange(3), 200)
    assert exploitability(styles, LABELS).mean() == pytest.approx(0.0, abs=1e-9)


def test_a_known_mixture_comes_to_its_best_answer():
    generator = np.random.default_rng(0)
    styles = generator.choice(3, size=20_000, p=[0.5, 0.25, 0.25])
    best = 0.5 * 0.8 + 0.25 * 0.2 + 0.25 * 0.5
    assert exploitability(styles, LABELS).mean() == pytest.approx(best - 0.5, abs=0.01)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_noise_alone_does_not_raise_it(seed):
    styles = np.random.default_rng(seed).choice(3, size=60)
    assert abs(exploitability(styles, LABELS)).max() <= 0.3 + 1e-12


def test_on_average_chance_is_not_mistaken_for_weakness():
    generator = np.random.default_rng(0)
    means = [exploitability(generator.choice(3, size=60), LABELS).mean() for _ in range(400)]
    assert np.mean(means) == pytest.approx(0.0, abs=0.01)
