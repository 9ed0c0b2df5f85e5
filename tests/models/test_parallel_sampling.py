import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.models.parallel_sampling import ParallelSampler, shares
from tasks.models.sampling import InProcessSampler, row_seeds

PROMPTS = [[1, *([3 + row % 18] * (1 + row % 7))] for row in range(40)]
SEEDS = row_seeds(0, [str(row) for row in range(40)])


def test_two_processes_draw_what_one_draws(make_llama, tokenizer):
    sampler = InProcessSampler(make_llama(0), tokenizer, 16)
    alone = sampler.sample(PROMPTS, SEEDS, 12)
    together = ParallelSampler(sampler, 2).sample(PROMPTS, SEEDS, 12)
    assert [one.ids for one in together] == [one.ids for one in alone]
    torch.testing.assert_close(
        torch.tensor([one.log_prob for one in together]), torch.tensor([one.log_prob for one in alone])
    )


def test_few_prompts_are_sampled_here(make_llama, tokenizer):
    sampler = InProcessSampler(make_llama(0), tokenizer)
    assert ParallelSampler(sampler, 2).sample(PROMPTS[:9], SEEDS[:9], 4) == sampler.sample(PROMPTS[:9], SEEDS[:9], 4)


@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=9), min_size=1, max_size=60), st.integers(1, 6))
def test_shares_hold_every_row_once(prompts, parts):
    found = shares(prompts, parts, 4)
    assert sorted(row for part in found for row in part) == list(range(len(prompts)))
    assert len(found) <= parts
    tokens = [sum(len(prompts[row]) + 4 for row in part) for part in found]
    assert max(tokens) <= sum(tokens) / parts + 2 * max(len(prompt) + 4 for prompt in prompts)


def test_a_stop_string_ends_a_row_alone(make_llama, tokenizer):
    sampler = InProcessSampler(make_llama(0), tokenizer, 16)
    plain = sampler.sample(PROMPTS, SEEDS, 32)
    word = "w3"
    stopped = sampler.sample(PROMPTS, SEEDS, 32, stop=[word])
    for before, after in zip(plain, stopped, strict=True):
        assert after.ids == before.ids[: len(after.ids)]
        text = tokenizer.decode(before.ids, skip_special_tokens=True)
        if word not in text:
            assert after[:2] == before[:2]
        elif len(after.ids) < len(before.ids):
            assert after.finished
            assert word in tokenizer.decode(after.ids, skip_special_tokens=True)
    assert sum(len(one.ids) for one in stopped) < sum(len(one.ids) for one in plain)
