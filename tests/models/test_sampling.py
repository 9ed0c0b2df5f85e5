import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tasks.engine.schema import UserError
from tasks.models.packing import EncodedGroup
from tasks.models.parts import run_body
from tasks.models.reference import score_groups
from tasks.models.sampling import InProcessSampler, draw_tokens, end_token_ids, row_seeds

PROMPTS = [
    [1, 4, 9, 8, 5],
    [1, 4, 7, 5],
    [1, 4, 9, 8, 5],
    [1, 6],
    [1, 4, 10, 11, 12, 13, 14, 15, 5],
    [1, 20, 7],
]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gpt_neox", "gemma2", "mistral"])
def test_greedy_equals_hugging_face(kind, make_model, tokenizer):
    model = make_model(kind)
    sampled = InProcessSampler(model, tokenizer).sample(PROMPTS, [0] * 6, max_new_tokens=20, temperature=0)
    for prompt, response in zip(PROMPTS, sampled, strict=True):
        expected = model.generate(
            torch.tensor([prompt]),
            max_new_tokens=20,
            do_sample=False,
            pad_token_id=0,
            suppress_tokens=[21, 22, 23],
        )
        assert response.ids == expected[0, len(prompt) :].tolist()
        assert response.finished == (response.ids[-1] == 2)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_results_do_not_depend_on_batch_or_order(make_llama, tokenizer, data):
    model = make_llama(1)
    rows = data.draw(st.lists(st.sampled_from(range(6)), min_size=1, max_size=12))
    seeds = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=len(rows), max_size=len(rows)))
    batch_rows = data.draw(st.integers(1, 9))
    top_p = data.draw(st.sampled_from([1.0, 0.8]))
    prompts = [PROMPTS[row] for row in rows]
    together = InProcessSampler(model, tokenizer, batch_rows).sample(prompts, seeds, 12, 1.3, top_p)
    order = data.draw(st.permutations(range(len(rows))))
    shuffled = InProcessSampler(model, tokenizer).sample(
        [prompts[i] for i in order], [seeds[i] for i in order], 12, 1.3, top_p
    )
    for place, row in enumerate(order):
        assert shuffled[place].ids == together[row].ids
        assert shuffled[place].log_prob == pytest.approx(together[row].log_prob, abs=1e-4)


def test_seed_decides_the_response(make_llama, tokenizer):
    sampler = InProcessSampler(make_llama(1), tokenizer)
    drawn = sampler.sample([PROMPTS[0]] * 40, list(range(20)) * 2, 10)
    assert drawn[:20] == drawn[20:]
    assert len({tuple(sample.ids) for sample in drawn}) > 5


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_first_tokens_follow_the_softmax(temperature, make_llama, tokenizer):
    model = make_llama(2)
    count = 4000
    drawn = InProcessSampler(model, tokenizer).sample(
        [PROMPTS[1]] * count, row_seeds(3, map(str, range(count))), 1, temperature
    )
    with torch.no_grad():
        logits = model(torch.tensor([PROMPTS[1]])).logits[0, -1, :21].double()
    expected = count * (logits / temperature).softmax(-1).numpy()
    observed = np.bincount([sample.ids[0] for sample in drawn], minlength=21)
    assert (expected >= 5).sum() > 3
    rare = (expected < 5)[:, None]
    cells = [np.append(counts[~rare[:, 0]], counts @ rare + 1e-9) for counts in (observed, expected)]
    assert chisquare(*cells).pvalue > 1e-3


def test_top_p_keeps_the_nucleus_only():
    logits = torch.tensor([[0.1, 0.5, 0.25, 0.15]]).log().expand(1000, 4)
    uniforms = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
    counts = torch.bincount(draw_tokens(logits, uniforms, 1.0, 0.7), minlength=4).tolist()
    assert counts[0] == counts[3] == 0
    assert counts[1] / 1000 == pytest.approx(2 / 3, abs=2e-3)
    assert torch.bincount(draw_tokens(logits, uniforms, 1.0, 1e-9), minlength=4)[1] == 1000


def test_uniform_next_to_one_never_draws_an_impossible_token():
    logits = torch.tensor([[0.0, 1.0, -torch.inf]])
    assert draw_tokens(logits, torch.tensor([1 - 2**-53], dtype=torch.float64), 1.0, 1.0).item() == 1


def test_finished_rows_end_in_eos_and_leave_the_batch(make_llama, tokenizer):
    model = make_llama(1)
    running = []
    model.model.register_forward_hook(lambda module, inputs, output: running.append(len(output.last_hidden_state)))
    drawn = InProcessSampler(model, tokenizer).sample(PROMPTS * 20, list(range(120)), 30)
    finished = [sample for sample in drawn if sample.finished]
    assert len(finished) > 20
    assert all(sample.ids.index(2) == len(sample.ids) - 1 for sample in finished)
    assert all(len(sample.ids) == 30 and 2 not in sample.ids for sample in drawn if not sample.finished)
    assert running[0] == 5  # different prompts
    assert running[1] > running[-1]
    work = sum(running[1:])
    needed = sum(len(sample.ids) - 1 for sample in drawn)
    assert work < 1.25 * needed


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (0.0, 1.0)])
def test_log_prob_equals_scoring_the_response(temperature, top_p, make_llama, tokenizer):
    model = make_llama(1)
    drawn = InProcessSampler(model, tokenizer).sample(PROMPTS, [9] * 6, 20, temperature, top_p)
    groups = [EncodedGroup(prompt, [sample.ids]) for prompt, sample in zip(PROMPTS, drawn, strict=True)]
    scores = [row[0] for row in score_groups(model, groups)]
    assert scores == pytest.approx([sample.log_prob for sample in drawn], abs=1e-4)


def test_collapsed_policy_never_draws_padding_ids(make_llama, tokenizer):
    model = make_llama(0)
    with torch.no_grad():
        hidden = run_body(model, input_ids=torch.tensor([PROMPTS[0]]))[0, -1]
        model.lm_head.weight[22] = 50 * hidden
    with torch.no_grad():
        assert model(torch.tensor([PROMPTS[0]])).logits[0, -1].argmax() == 22
    drawn = InProcessSampler(model, tokenizer).sample([PROMPTS[0]] * 50, list(range(50)), 5)
    assert max(max(sample.ids) for sample in drawn) < len(tokenizer)


def test_model_may_name_further_end_tokens(make_llama, tokenizer):
    model = make_llama(1)
    model.generation_config.eos_token_id = [7, 9]
    assert end_token_ids(model, tokenizer) == [2, 7, 9]
    for sample in InProcessSampler(model, tokenizer).sample(PROMPTS, list(range(6)), 30):
        assert not sample.finished or sample.ids[-1] in {2, 7, 9}
        assert not {2, 7, 9} & set(sample.ids[:-1])


def test_training_mode_is_put_back(make_llama, tokenizer):
    model = make_llama(0).train()
    InProcessSampler(model, tokenizer).sample([PROMPTS[0]], [0], 2)
    assert model.training
    assert all(weight.requires_grad for weight in model.parameters())


def test_prompt_without_room_is_named(make_llama, tokenizer):
    with pytest.raises(UserError, match="row 1: prompt of 60 tokens and 5 new ones"):
        InProcessSampler(make_llama(0), tokenizer).sample([[1], [1] * 60], [0, 0], 5)
    with pytest.raises(ValueError, match="one seed a prompt"):
        InProcessSampler(make_llama(0), tokenizer).sample([[1], [1]], [0], 5)


def test_row_seeds_are_fixed_numbers():
    assert row_seeds(0, ["a/0", "a/1"]) == row_seeds(0, ["a/0", "a/1"])
    assert len({*row_seeds(0, map(str, range(1000))), *row_seeds(1, map(str, range(1000)))}) == 2000
    assert row_seeds(0, ["a/0"]) == [9016986181784145983]
