"""Samples a second of evaluation, on every core, against Hugging Face's ``generate`` with as many threads."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tasks.models.parallel_sampling import ParallelSampler
from tasks.models.sampling import InProcessSampler

END = 2


class NoEnd:
    eos_token_id = None


def small_llama(hidden_size: int, layers: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=3 * hidden_size,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=END,
    )
    return LlamaForCausalLM(config).eval()


def draw_prompts(count: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(3, 2047, rng.integers(16, 65)).tolist() for _ in range(count)]


def generate(model: LlamaForCausalLM, prompts: list[list[int]], tokens: int, rows: int) -> None:
    for start in range(0, len(prompts), rows):
        batch = prompts[start : start + rows]
        width = max(map(len, batch))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in batch])
        with torch.no_grad():
            model.generate(
                ids, attention_mask=(ids != 0).long(), min_new_tokens=tokens, max_new_tokens=tokens, do_sample=True,
                top_k=0,
            )  # fmt: skip


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats + 1):
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return median(taken[1:])


@pytest.mark.parametrize(("hidden_size", "layers"), [(96, 3), (256, 4)])
def test_samples_a_second_against_generate(hidden_size: int, layers: int) -> None:
    """The same model, prompts, batch and lengths: exactly 64 tokens a response, so that nobody gains by stopping."""
    cores = os.cpu_count() or 1
    here = f"import test_evaluation_sampling_speed as t; t.measure({hidden_size}, {layers}, {cores})"
    folder = Path(__file__).parent
    environment = os.environ | {"OMP_NUM_THREADS": str(cores), "GOMP_SPINCOUNT": "2000"}
    found = subprocess.run(
        [sys.executable, "-c", here], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    ours, theirs = map(float, found.stdout.split()[-2:])
    print(f"\nhidden {hidden_size}: ours {ours:.0f}, generate {theirs:.0f} samples/s: {ours / theirs:.2f} x")
    assert ours / theirs >= 1.5


def measure(hidden_size: int, layers: int, cores: int, rows: int = 256, batch: int = 128, tokens: int = 64) -> None:
    """Print samples a second of ours and of generate's, which has every core as threads of one process."""
    model, prompts = small_llama(hidden_size, layers), draw_prompts(rows)
    never_ending = InProcessSampler(model, NoEnd(), batch)
    model.generation_config.eos_token_id = None
    sampler = ParallelSampler(never_ending, cores)
    torch.set_num_threads(1)
    ours = seconds(lambda: sampler.sample(prompts, range(rows), tokens))
    torch.set_num_threads(cores)
    model.generation_config.eos_token_id = END
    theirs = seconds(lambda: generate(model, prompts, tokens, batch))
    print(rows / ours, rows / theirs)
