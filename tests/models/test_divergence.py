import itertools

import numpy as np
import pytest
import torch

from tasks.models.divergence import sampled_kl, token_kl
from tasks.models.packing import EncodedGroup
from tasks.models.sampling import InProcessSampler


@pytest.fixture
def models(make_llama):
    policy, reference = make_llama(0), make_llama(0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.05)
    return policy, reference


def brute_force(policy, reference, prompt, response):
    ids = torch.tensor([prompt + response])
    rows = slice(len(prompt) - 1, -1)
    log_p = policy(ids).logits[0, rows, :21].double().log_softmax(-1)
    log_q = reference(ids).logits[0, rows, :21].double().log_softmax(-1)
    return sum(
        float(log_p[t, v].exp() * (log_p[t, v] - log_q[t, v]))
        for t, v in itertools.product(range(len(response)), range(21))
    )


@pytest.mark.parametrize("chunk_logits", [40, 2**24])
def test_token_kl_equals_brute_force(chunk_logits, models, groups):
    with torch.no_grad():
        kl = token_kl(*models, groups, chunk_logits)
        pairs = [(group.prompt, response) for group in groups for response in group.responses]
        expected = [brute_force(*models, *pair) for pair in pairs]
    assert kl.tolist() == pytest.approx(expected, rel=1e-4)
    assert min(expected) > 0.01


def test_identical_models_do_not_diverge(make_llama, groups):
    assert token_kl(make_llama(0), make_llama(0), groups).abs().max() == 0
    assert sampled_kl(make_llama(0), make_llama(0), groups).abs().max() == 0


def test_gradients_reach_the_policy_only_and_survive_chunking(models, groups):
    policy, reference = models
    found = []
    for chunk_logits in (40, 2**24):
        policy.zero_grad()
        token_kl(policy, reference, groups, chunk_logits).sum().backward()
        found.append(policy.lm_head.weight.grad.clone())
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-4)
    assert found[0].abs().max() > 0
    assert all(weight.grad is None for weight in reference.parameters())


def test_sampled_kl_converges_to_the_exact_one(models, tokenizer):
    policy, reference = models
    prompt = [1, 4, 9, 5]
    drawn = InProcessSampler(policy, tokenizer).sample([prompt] * 3000, list(range(3000)), 4)
    groups = [EncodedGroup(prompt, [sample.ids]) for sample in drawn]
    with torch.no_grad():
        sampled = sampled_kl(policy, reference, groups).double().numpy()
        exact = token_kl(policy, reference, groups).double().numpy()
    difference = sampled - exact
    error = difference.std() / np.sqrt(len(difference))
    assert abs(difference.mean()) < 4 * error
    assert error < 0.1 * exact.mean()
