import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from tasks.models.growing_cache import STEP, GrowingLayer, growing_cache


def states(rows: int, tokens: int) -> torch.Tensor:
    return torch.randn(rows, 2, tokens, 4)


def test_it_holds_what_the_librarys_layer_holds():
    torch.manual_seed(0)
    ours, theirs = GrowingLayer(), DynamicLayer()
    for tokens in (5, *[1] * (STEP + 3), 7, STEP):
        keys, values = states(6, tokens), states(6, tokens)
        for mine, other in zip(ours.update(keys, values), theirs.update(keys, values), strict=True):
            assert torch.equal(mine, other)
        assert ours.get_seq_length() == theirs.get_seq_length()


@pytest.mark.parametrize("kept", [[0, 2], [2, 1, 0], [0, 0, 1, 1, 2, 2], [1]])
def test_selected_rows_go_on_with_their_own_tokens(kept):
    ours, theirs = GrowingLayer(), DynamicLayer()
    first = states(3, 4), states(3, 4)
    later = states(len(kept), 1), states(len(kept), 1)
    for layer in (ours, theirs):
        layer.update(*first)
        layer.batch_select_indices(torch.tensor(kept))
        layer.update(*later)
    assert torch.equal(ours.keys, theirs.keys)
    assert torch.equal(ours.values, theirs.values)


def test_layers_of_other_kinds_stay(make_model):
    config = make_model("gemma2").config
    plain, growing = DynamicCache(config=config), growing_cache(config)
    for before, after in zip(plain.layers, growing.layers, strict=True):
        assert type(after) is (GrowingLayer if type(before) is DynamicLayer else type(before))
    assert {type(layer) for layer in growing.layers} != {GrowingLayer}
