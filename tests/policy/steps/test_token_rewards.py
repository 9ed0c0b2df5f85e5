import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.policy.steps.token_rewards import ESTIMATORS, inverted_k3, last_token, token_rewards


def rows(*values):
    return torch.tensor(values)


def whole(values):
    return torch.ones_like(values, dtype=torch.bool)


def test_ma_rlhf_rewards_of_the_card():
    old, reference = rows([-1.0, -0.5, -0.8, -0.2, -0.6]), rows([-1.1, -0.7, -0.6, -0.3, -0.9])
    found = token_rewards(torch.tensor([1.0]), old, reference, whole(old), 0.05)
    assert found[0].tolist() == pytest.approx([-0.005, -0.01, 0.01, -0.005, 0.985], abs=1e-6)


def test_dr_po_and_par_rewards_of_the_cards():
    old, reference = rows([-1.0, -0.5, -0.8, -0.2]), rows([-1.2, -0.6, -0.7, -0.4])
    found = token_rewards(torch.tensor([1.0]), old, reference, whole(old), 0.05)
    assert found[0].tolist() == pytest.approx([-0.01, -0.005, 0.005, 0.99], abs=1e-6)
    found = token_rewards(torch.tensor([0.605858]), old[:, :3], reference[:, :3], whole(old[:, :3]), 0.005)
    assert found[0].tolist() == pytest.approx([-0.001, -0.0005, 0.606358], abs=1e-6)


def test_estimators_of_the_ensembles_card():
    log_ratio = torch.tensor([0.3, -0.2, 0.05, 0.0], dtype=torch.float64)
    sums = {name: estimator(log_ratio).sum().item() for name, estimator in ESTIMATORS.items()}
    expected = {"k1": 0.15, "k2": 0.06625, "k3": 0.063450, "inverted_k3": 0.069861}
    assert sums == pytest.approx(expected, abs=1e-6)


def test_the_terms_of_par_s_grpo_and_of_grpo_differ():
    d = torch.tensor(0.3, dtype=torch.float64)
    assert inverted_k3(d).item() == pytest.approx(0.049859, abs=1e-6)
    assert ESTIMATORS["k3"](d).item() == pytest.approx(0.040818, abs=1e-6)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.sampled_from(list(ESTIMATORS)))
def test_the_score_stands_on_each_response_s_own_last_token_and_padding_is_not_read(lengths, estimator):
    time = 6
    mask = torch.arange(time) < torch.tensor(lengths)[:, None]
    old = torch.randn(len(lengths), time).where(mask, torch.nan)
    reference = torch.randn(len(lengths), time).where(mask, torch.inf)
    scores = torch.arange(1.0, len(lengths) + 1)
    found = token_rewards(scores, old, reference, mask, 0.1, estimator)
    assert last_token(mask).tolist() == [max(0, length - 1) for length in lengths]
    for row, length in enumerate(lengths):
        expected = [-0.1 * ESTIMATORS[estimator](old[row, t] - reference[row, t]).item() for t in range(length)]
        if length:
            expected[-1] += scores[row].item()
        assert found[row].tolist() == pytest.approx(expected + [0.0] * (time - length), abs=1e-6)


def test_an_end_token_in_the_middle_of_the_mask_s_dtype_does_not_matter():
    mask = torch.tensor([[True, True, False]])
    assert last_token(mask).tolist() == last_token(mask.long()).tolist() == [1]
