import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from tasks.evaluation.statistics.noise import Components, expected_noise, noise_of_mean
from tasks.evaluation.statistics.power import n_to_settle


@pytest.mark.parametrize("effect", [0.2, 0.3, 0.5])
def test_prompts_for_one_seed_agree_with_the_one_sample_t_test(effect):
    exact = TTestPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    found = n_to_settle(Components(0.0, 1.0, 0.0), 1, 5, distance=effect, alpha=0.05)
    assert found.prompts == pytest.approx(exact, abs=1.5)
    assert found.seeds is None


def test_seed_noise_cannot_be_settled_by_prompts():
    found = n_to_settle(Components(1.0, 0.1, 0.1), 3, 100, distance=0.5, alpha=0.05)
    assert found.prompts is None
    assert found.seeds is not None
    assert 30 < found.seeds < 45


def test_prompt_noise_cannot_be_settled_by_seeds():
    found = n_to_settle(Components(0.0, 1.0, 0.1), 3, 20, distance=0.3, alpha=0.05)
    assert found.seeds is None
    assert found.prompts is not None
    assert found.prompts > 20


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.0, 2.0), st.floats(0.1, 2.0), st.floats(0.05, 1.0))
def test_the_answer_is_the_smallest_that_suffices(seed, prompt, residual, distance):
    components = Components(seed, prompt, residual)
    found = n_to_settle(components, 3, 50, distance=distance, alpha=0.05)

    def needed(seeds: int, prompts: int) -> float:
        noise = expected_noise(components, seeds, prompts)
        return noise.half_width(0.05) + 0.8416212 * noise.standard_error

    if found.seeds is not None:
        assert needed(found.seeds, 50) <= distance * (1 + 1e-6)
        assert found.seeds == 4 or needed(found.seeds - 1, 50) > distance * (1 - 1e-6)
    if found.prompts is not None:
        assert needed(3, found.prompts) <= distance * (1 + 1e-6)
        assert found.prompts == 51 or needed(3, found.prompts - 1) > distance * (1 - 1e-6)


def test_with_the_number_named_four_of_five_runs_are_settled():
    components = Components(0.04, 0.5, 1.0)
    seeds = n_to_settle(components, 3, 200, distance=0.25, alpha=0.05).seeds
    assert seeds is not None
    rng = np.random.default_rng(0)
    settled = 0
    for _ in range(400):
        values = (
            0.25 + rng.normal(0, 0.2, (seeds, 1)) + rng.normal(0, 0.5**0.5, (1, 200)) + rng.normal(0, 1.0, (seeds, 200))
        )
        settled += noise_of_mean(values).half_width(0.05) < abs(values.mean())
    assert 0.72 <= settled / 400 <= 0.9
