import pytest
import torch

from tasks.evaluation.metrics import find_metric
from tasks.policy.steps.clipped_policy import ClippedSurrogate
from tasks.policy.steps.clipped_value import ClippedValue
from tasks.policy.steps.diagnostics import advantage_metrics, kl_metrics, rollout_metrics

MASK = torch.tensor([[True, True, True, True], [True, False, False, False]])


def test_rollouts_are_described_without_their_padding():
    entropies = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, torch.nan, torch.inf, 9.0]])
    found = rollout_metrics(MASK, torch.tensor([True, False]), entropies)
    assert {name: value.item() for name, value in found.items()} == {
        "response_tokens": 2.5,
        "finished": 0.5,
        "entropy": 3.0,
    }


def test_kl_of_the_ensembles_card_summed_over_a_response_and_averaged_over_rows():
    log_probs = torch.tensor([[0.3, -0.2, 0.05, 0.0], [0.0, 7.0, torch.nan, 7.0]], dtype=torch.float64)
    found = kl_metrics(log_probs, torch.zeros(2, 4), MASK, ("k1", "k2", "k3", "inverted_k3"))
    expected = {"kl_k1": 0.15, "kl_k2": 0.06625, "kl_k3": 0.063450, "kl_inverted_k3": 0.069861}
    assert {name: 2.0 * value.item() for name, value in found.items()} == pytest.approx(expected, abs=1e-6)


def test_moments_of_advantages_and_returns():
    values = torch.tensor([[1.0, 1.0, 1.0, 1.0], [6.0, torch.nan, torch.nan, torch.nan]])
    found = advantage_metrics(values, 2.0 * values, MASK)
    assert {name: value.item() for name, value in found.items()} == {
        "advantages/mean": 2.0,
        "advantages/deviation": 2.0,
        "returns/mean": 4.0,
        "returns/deviation": 4.0,
    }


def test_everything_that_a_step_logs_is_registered():
    numbers = torch.rand(2, 4)
    settings = ClippedSurrogate(kl_coefficient=0.1)
    _, policy = settings.loss(numbers, numbers, numbers, MASK, reference_log_probs=numbers)
    _, value = ClippedValue().loss(numbers, numbers, numbers, MASK)
    kl = kl_metrics(numbers, numbers, MASK, ("k1", "k2", "k3", "inverted_k3"))
    rollouts = rollout_metrics(MASK, torch.tensor([True, True]), numbers)
    for name in {**policy, **value, **kl, **rollouts, **advantage_metrics(numbers, numbers, MASK)}:
        assert find_metric(f"train/{name}") is not None, name
