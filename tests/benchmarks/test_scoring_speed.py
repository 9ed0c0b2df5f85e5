"""Processor seconds of scoring and sampling on one thread, against the plain way of doing the same."""

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tasks.models.log_probs import response_log_probs
from tasks.models.packing import EncodedGroup
from tasks.models.sampling import InProcessSampler

ENDS = list(range(2, 27))


class EndToken:
    eos_token_id = 2


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=328,
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=264,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = ENDS
    return model


def compare(*ways: Callable[[], object], repeats: int = 5) -> list[float]:
    """Median processor seconds of each way, run in turns after one warm-up."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(repeats + 1):
        for way, taken in zip(ways, seconds, strict=True):
            start = process_time()
            way()
            taken.append(process_time() - start)
    return [median(taken[1:]) for taken in seconds]


@pytest.mark.parametrize("backward", [False, True])
def test_shared_prefix(model, backward):
    rng = np.random.default_rng(0)

    def ids(low: int, high: int) -> list[int]:
        return rng.integers(27, 327, rng.integers(low, high + 1)).tolist()

    groups = [EncodedGroup(ids(40, 48), [ids(10, 16), ids(10, 16)]) for _ in range(32)]

    def score(share_prefix: bool) -> None:
        with torch.set_grad_enabled(backward):
            scores = response_log_probs(model, groups, share_prefix).sums()
        if backward:
            model.zero_grad()
            scores.sum().backward()

    separate, shared = compare(lambda: score(False), lambda: score(True))
    print(f"\nshared prefix, backward {backward}: {separate / shared:.2f}x ({shared * 1e3:.0f} ms)")
    assert separate / shared > 1.2


def generate(model: LlamaForCausalLM, prompts: Sequence[list[int]]) -> None:
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    with torch.inference_mode():
        model.generate(ids, attention_mask=(ids != 0).long(), max_new_tokens=32, do_sample=True, top_k=0)


def test_sampling_to_a_random_end(model):
    rng = np.random.default_rng(0)
    prompts = [rng.integers(27, 327, rng.integers(30, 59)).tolist() for _ in range(256)]
    sampler = InProcessSampler(model, EndToken())
    hugging_face, ours = compare(
        lambda: [generate(model, prompts[start : start + 128]) for start in (0, 128)],
        lambda: sampler.sample(prompts, range(256), 32),
    )
    print(f"\nsampling about 12 of at most 32 tokens: {hugging_face / ours:.2f}x")
    assert hugging_face / ours > 1.2


def test_best_of_sixteen(model):
    rng = np.random.default_rng(0)
    prompts = [prompt for _ in range(8) for prompt in [rng.integers(27, 327, 40).tolist()] * 16]
    sampler = InProcessSampler(model, EndToken())
    hugging_face, ours = compare(lambda: generate(model, prompts), lambda: sampler.sample(prompts, range(128), 32))
    print(f"\nbest of 16: {hugging_face / ours:.2f}x")
    assert hugging_face / ours > 1.3
