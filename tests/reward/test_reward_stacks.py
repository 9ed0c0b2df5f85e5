"""Members side by side score as they do one by one."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tasks.models.packing import EncodedGroup
from tasks.reward.model import RewardNetwork, new_network, pack_whole, score_groups
from tasks.reward.stacked import MOST_TOKENS, StackedNetworks, same_shape

SHAPE = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 64,
}  # fmt: skip
SMALL = [EncodedGroup([1, 5, 6, 7, 8, 9], [[3, 4, 2], [6, 2]]), EncodedGroup([1, 7], [[8, 9, 2], [10, 2]])]
LARGE = [EncodedGroup([1, *range(3, 20)], [[3, number % 20, 2], [4, 2]]) for number in range(12)]


def member(seed: int, pooling="last_token", **changes) -> RewardNetwork:
    config = AutoConfig.for_model("llama", vocab_size=24, pad_token_id=0, **SHAPE | changes)
    torch.manual_seed(seed)
    return new_network(AutoModelForCausalLM.from_config(config), 2, seed, pooling).eval().requires_grad_(False)


@pytest.mark.parametrize("pooling", ["last_token", "mean"])
@pytest.mark.parametrize("groups", [SMALL, LARGE], ids=["stacked", "in turn"])
def test_equal_to_the_members_one_by_one(pooling, groups):
    members = [member(seed, pooling) for seed in range(4)]
    stack = StackedNetworks(members)
    padded = pack_whole(stack.body, groups).input_ids.numel()
    assert (padded <= MOST_TOKENS) == (groups is SMALL)
    found = torch.cat(score_groups(stack, groups))
    expected = torch.stack([torch.cat(score_groups(one, groups)) for one in members], dim=1)
    assert found.shape == (sum(len(group.responses) for group in groups), 4, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_members_of_other_shapes_are_not_stacked():
    assert not same_shape([member(0), member(1, intermediate_size=48)])
    assert not same_shape([member(0), member(1, pooling="mean")])
    with pytest.raises(ValueError, match="different shapes"):
        StackedNetworks([member(0), member(1, pooling="mean")])
