import pytest
import torch

from tasks.engine.schema import UserError
from tasks.models.log_probs import (
    ResponseScorer,
    group_log_probs,
    head_log_probs,
    response_log_probs,
    scored_hidden_states,
    shifted_log_probs,
)
from tasks.models.packing import EncodedGroup, pack, sharing_pays
from tasks.models.parts import PACKABLE, can_share_prefix

ARCHITECTURES = [*sorted(PACKABLE), "gemma2"]


def gradients(model):
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


def backward(model, scores):
    model.zero_grad()
    (scores.values.sum(-1) * torch.linspace(-1, 1, len(scores.lengths))).sum().backward()
    return gradients(model)


def test_shifted_log_probs_on_the_numbers_of_the_dpo_card():
    logits = torch.tensor([[2, 0, 1], [0.5, 1.5, -1], [1, 1, 1], [0, 0, 3]])
    scores = shifted_log_probs(logits, torch.tensor([-100, 0, 1, 2]))
    torch.testing.assert_close(scores, torch.tensor([-0.407606, -0.371539, -1.098612]), atol=1e-6, rtol=0)
    assert scores.sum().item() == pytest.approx(-1.877757, abs=1e-6)
    masked = shifted_log_probs(logits, torch.tensor([-100, -100, 1, 2]))
    assert masked[0] == 0
    torch.testing.assert_close(masked[1:], scores[1:])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_equal_to_the_model_run_on_each_sequence_alone(kind, make_model, groups):
    model = make_model(kind)
    scores = response_log_probs(model, groups)
    responses = [(group.prompt, response) for group in groups for response in group.responses]
    for row, (prompt, response) in enumerate(responses):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + response])).logits[0, :, :21]
        expected = shifted_log_probs(logits, torch.tensor([-100] * len(prompt) + response))[len(prompt) - 1 :]
        torch.testing.assert_close(scores.values[row, : len(response)], expected, atol=1e-5, rtol=1e-5)
        assert scores.values[row, len(response) :].eq(0).all()
        assert scores.lengths[row] == len(response)


@pytest.mark.parametrize("kind", sorted(PACKABLE))
def test_shared_prefix_equals_separate_rows_in_values_and_gradients(kind, make_model, groups):
    model = make_model(kind)
    assert can_share_prefix(model)
    assert sharing_pays(groups, hidden_size=16)
    shared = response_log_probs(model, groups, share_prefix=True)
    separate = response_log_probs(model, groups, share_prefix=False)
    torch.testing.assert_close(shared.values, separate.values, atol=1e-5, rtol=1e-5)
    for one, other in zip(backward(model, shared), backward(model, separate), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_prefixes_are_shared_only_where_attention_is_full_and_masks_count(make_model, make_llama):
    assert not can_share_prefix(make_model("gemma2"))
    windowed = make_llama(0)
    windowed.config.sliding_window = 8
    assert not can_share_prefix(windowed)
    flash = make_llama(0)
    flash.config._attn_implementation = "flash_attention_2"
    assert not can_share_prefix(flash)


def test_sharing_pays_for_long_prompts_and_short_responses():
    def group(prompt, *responses):
        return [EncodedGroup([1] * prompt, [[2] * length for length in responses])]

    assert sharing_pays(group(44, 13, 13), hidden_size=96)
    assert sharing_pays(group(12, 26, 26), hidden_size=96)
    assert not sharing_pays(group(64, 250, 250), hidden_size=96)
    assert not sharing_pays(group(44, 13), hidden_size=96)


@pytest.mark.parametrize("chunk_logits", [1, 60, 100])
def test_chunks_equal_the_whole_in_values_and_gradients(chunk_logits, make_llama, groups):
    model = make_llama(0)
    whole = response_log_probs(model, groups)
    chunked = response_log_probs(model, groups, chunk_logits=chunk_logits)
    torch.testing.assert_close(chunked.values, whole.values, atol=1e-6, rtol=1e-6)
    for one, other in zip(backward(model, chunked), backward(model, whole), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_no_tensor_of_the_head_is_larger_than_a_chunk(make_llama, groups):
    model = make_llama(0)
    shapes = []
    model.lm_head.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    response_log_probs(model, groups, chunk_logits=21 * 4)
    scored = sum(len(response) for group in groups for response in group.responses)
    assert max(shape[0] for shape in shapes) == 4
    assert sum(shape[0] for shape in shapes) == scored


@pytest.mark.parametrize("share_prefix", [True, False])
def test_garbage_in_padding_changes_nothing(share_prefix, make_llama, groups):
    model = make_llama(0)
    packed = [pack(groups, pad_id, share_prefix) for pad_id in (0, 17)]
    assert not torch.equal(packed[0].input_ids, packed[1].input_ids)
    clean, dirty = (head_log_probs(model, scored_hidden_states(model, batch), batch.labels) for batch in packed)
    torch.testing.assert_close(clean, dirty, atol=0, rtol=0)


def test_probability_lies_on_real_tokens_only(make_llama):
    model = make_llama(0)
    assert model.config.vocab_size == 24
    every_token = [EncodedGroup([1, 7], [[token] for token in range(21)])]
    assert response_log_probs(model, every_token).sums().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_group_log_probs_are_sums_by_row(make_llama, groups):
    sums, lengths = group_log_probs(make_llama(0), groups)
    assert sums.shape == lengths.shape == (3, 2)
    assert lengths.tolist() == [[5, 3], [4, 7], [2, 6]]
    for row, group in enumerate(groups):
        for column, response in enumerate(group.responses):
            alone = response_log_probs(make_llama(0), [EncodedGroup(group.prompt, [response])]).sums()
            torch.testing.assert_close(sums[row, column], alone[0], atol=1e-5, rtol=1e-5)
    assert torch.equal(ResponseScorer(make_llama(0))(groups)[0], sums)


def test_row_longer_than_the_context_is_named(make_llama, groups):
    long = EncodedGroup([1] * 60, [[3, 2], [3, 4, 5, 6, 2]])
    with pytest.raises(UserError, match="row 1: prompt and response take 65 tokens and the model reads 64"):
        group_log_probs(make_llama(0), [groups[0], long])


def test_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="at least one token"):
        pack([EncodedGroup([], [[2]])], 0, share_prefix=True)
