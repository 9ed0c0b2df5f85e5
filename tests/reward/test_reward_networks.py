"""Scores are those of the separate sequences at their last tokens, whatever is packed around them."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tasks.engine.schema import UserError
from tasks.models.packing import EncodedGroup
from tasks.reward.fitting import first_differences, pooled_scores
from tasks.reward.model import Pooling, RewardNetwork, new_network, pack_whole, score_groups

LLAMA = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 48,
}  # fmt: skip
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 48}
GROUPS = [
    EncodedGroup([1, *range(5, 20)], [[3, 4, 5, 2], [6, 2]]),
    EncodedGroup([1, 7], [[8, 9, 2], [10, 11, 12, 13, 14, 2]]),
    EncodedGroup([1, *range(3, 23)], [[2], [15, 16, 2]]),
]


def network_of(kind: str, heads: int = 1, pooling: Pooling = "last_token") -> RewardNetwork:
    shape = GPT2 if kind == "gpt2" else LLAMA
    config = AutoConfig.for_model(kind, vocab_size=24, pad_token_id=0, bos_token_id=1, eos_token_id=2, **shape)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return new_network(model, heads, seed=0, pooling=pooling)


def one_by_one(network: RewardNetwork, groups: list[EncodedGroup]) -> torch.Tensor:
    """[groups, responses, heads]: each sequence alone, read at its last token."""
    rows = []
    for prompt, responses in groups:
        hidden = [network.body(torch.tensor([prompt + one])).last_hidden_state[0, -1] for one in responses]
        rows.append(network.head(torch.stack(hidden)))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("heads", [1, 2])
def test_packed_scores_equal_separate_ones(kind, heads):
    network = network_of(kind, heads)
    scores = network(GROUPS)
    assert scores.shape == (3, 2, heads)
    torch.testing.assert_close(scores, one_by_one(network, GROUPS), atol=1e-5, rtol=0)


def test_prompts_are_shared_where_that_pays():
    network = network_of("llama")
    assert pack_whole(network.body, GROUPS).input_ids.shape[0] == 3
    short = [EncodedGroup([1], [[3] * 30, [4] * 30, [5] * 30])]
    packed = pack_whole(network.body, short)
    assert packed.input_ids.shape[0] == 3
    torch.testing.assert_close(network(short), one_by_one(network, short), atol=1e-5, rtol=0)


def test_scores_after_every_token_are_those_of_the_beginnings():
    network = network_of("llama")
    scores = network(GROUPS, every_token=True)
    assert scores.shape == (3, 2, 6, 1)
    for row, (prompt, responses) in enumerate(GROUPS):
        for column, response in enumerate(responses):
            beginnings = [EncodedGroup(prompt, [response[: end + 1]]) for end in range(len(response))]
            expected = one_by_one(network, beginnings).flatten()
            torch.testing.assert_close(scores[row, column, : len(response), 0], expected, atol=1e-5, rtol=0)
            assert (scores[row, column, len(response) :] == 0).all()


def test_scoring_in_batches_keeps_order_and_uneven_groups():
    network = network_of("llama")
    groups = [*GROUPS, EncodedGroup([1, 4], [[2]]), EncodedGroup([1, 5], [[3, 2], [4, 2], [5, 5, 2]])]
    found = score_groups(network, groups, max_tokens_per_batch=40)
    assert [tuple(scores.shape) for scores in found] == [(2, 1), (2, 1), (2, 1), (1, 1), (3, 1)]
    for group, scores in zip(groups, found, strict=True):
        expected = one_by_one(network, [group])[0]
        torch.testing.assert_close(scores, expected.detach(), atol=1e-5, rtol=0)


def test_an_empty_response_is_read_at_the_prompts_end():
    network = network_of("llama")
    found = score_groups(network, [EncodedGroup([1, 5, 6], [[]])])
    expected = one_by_one(network, [EncodedGroup([1, 5], [[6]])])[0]
    torch.testing.assert_close(found[0], expected.detach(), atol=1e-6, rtol=0)


def test_a_text_may_fill_the_context_and_no_more():
    network = network_of("llama")
    assert score_groups(network, [EncodedGroup([1] * 40, [[3] * 8])])[0].shape == (1, 1)
    with pytest.raises(UserError, match="reads 48"):
        score_groups(network, [EncodedGroup([1] * 40, [[3] * 9])])


def test_gradients_do_not_depend_on_packing():
    network = network_of("llama")
    network(GROUPS).sum().backward()
    packed = [value.grad.clone() for value in network.parameters()]
    network.zero_grad()
    one_by_one(network, GROUPS).sum().backward()
    for found, value in zip(packed, network.parameters(), strict=True):
        torch.testing.assert_close(found, value.grad, atol=1e-5, rtol=1e-4)


def test_a_mean_over_tokens_leaves_prompt_and_padding_out():
    network, last = network_of("llama", 2, "mean"), network_of("llama", 2)
    tokens = last(GROUPS, every_token=True)
    lengths = torch.tensor([[len(response) for response in group.responses] for group in GROUPS])
    torch.testing.assert_close(network(GROUPS), tokens.sum(2) / lengths[..., None], atol=1e-6, rtol=0)
    alone = torch.cat([network([EncodedGroup(prompt, [one])]) for prompt, both in GROUPS for one in both])
    torch.testing.assert_close(network(GROUPS).flatten(0, 1), alone.flatten(0, 1), atol=1e-5, rtol=0)


def test_pooled_scores_are_what_the_network_pools():
    lengths = torch.tensor([[len(response) for response in group.responses] for group in GROUPS])
    for pooling in ("last_token", "mean"):
        network = network_of("llama", 2, pooling)
        found = pooled_scores(network(GROUPS, every_token=True), lengths, pooling)
        torch.testing.assert_close(found, network(GROUPS), atol=1e-5, rtol=0)


def test_first_differences():
    groups = [
        EncodedGroup([1], [[3, 4, 2], [3, 5, 2]]),
        EncodedGroup([1], [[4, 2], [3, 2]]),
        EncodedGroup([1], [[3], [3, 4, 2]]),
    ]
    assert first_differences(groups).tolist() == [1, 0, 1]
