import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from tasks.models.kl import exact_kl, k1, k2, k3

logits = arrays(np.float64, 5, elements=st.floats(-4, 4))


@given(logits, logits)
def test_k1_and_k3_have_the_exact_divergence_as_expectation(p, q):
    log_p, log_q = log_softmax(p), log_softmax(q)
    ratio = log_p - log_q
    exact = exact_kl(log_p, log_q)
    assert np.exp(log_p) @ k1(ratio) == pytest.approx(exact, abs=1e-12)
    assert np.exp(log_p) @ k3(ratio) == pytest.approx(exact, abs=1e-9)


@given(logits, arrays(np.float64, 5, elements=st.floats(-1, 1)))
def test_k2_is_close_while_the_policies_are(p, step):
    log_p, log_q = log_softmax(p), log_softmax(p + 0.01 * step)
    exact = float(exact_kl(log_p, log_q))
    assert np.exp(log_p) @ k2(log_p - log_q) == pytest.approx(exact, rel=0.05, abs=1e-12)


@given(logits, logits)
def test_the_exact_divergence_is_never_negative_and_0_from_itself(p, q):
    log_p, log_q = log_softmax(p), log_softmax(q)
    assert exact_kl(log_p, log_q) >= -1e-12
    assert exact_kl(log_p, log_p) == 0.0


@given(st.floats(-50, 50))
def test_k2_and_k3_are_never_negative(ratio):
    assert k2(ratio) >= 0.0
    assert k3(ratio) >= -1e-15 * abs(ratio)


def test_sampled_estimates_of_a_known_divergence():
    policy, reference = np.log([0.7, 0.2, 0.1]), np.log([0.4, 0.4, 0.2])
    drawn = np.random.default_rng(0).choice(3, size=200_000, p=np.exp(policy))
    ratio = (policy - reference)[drawn]
    exact = float(exact_kl(policy, reference))
    assert exact == pytest.approx(0.7 * np.log(1.75) - 0.3 * np.log(2.0))
    assert k1(ratio).mean() == pytest.approx(exact, abs=0.005)
    assert k3(ratio).mean() == pytest.approx(exact, abs=0.005)
    assert k3(ratio).std() < k1(ratio).std()


def test_tensors_give_the_same_and_keep_their_gradient():
    values = np.random.default_rng(1).normal(size=(4, 3))
    tensor = torch.tensor(values, requires_grad=True)
    for estimator in (k1, k2, k3):
        assert np.allclose(estimator(tensor).detach().numpy(), estimator(values))
    k3(tensor).sum().backward()
    assert np.allclose(tensor.grad.numpy(), 1.0 - np.exp(-values))
    log_p, log_q = log_softmax(values, axis=-1), log_softmax(values[::-1], axis=-1)
    exact = exact_kl(torch.tensor(log_p), torch.tensor(log_q))
    assert exact.shape == (4,)
    assert np.allclose(exact.numpy(), exact_kl(log_p, log_q))


@pytest.mark.parametrize("convert", [np.array, torch.tensor])
def test_excluded_categories(convert):
    half, first = convert([np.log(0.5), np.log(0.5)]), convert([0.0, -np.inf])
    assert float(exact_kl(first, half)) == pytest.approx(np.log(2.0))
    assert float(exact_kl(half, first)) == np.inf
    assert float(exact_kl(first, first)) == 0.0
