import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tasks.policy.steps.segments import segments_from_starts
from tasks.policy.steps.termination_rules import (
    FixedNGram,
    MacroActions,
    ParseRule,
    PerplexityRule,
    RandomNGram,
    TokenActions,
    WholeResponse,
)

RULES = [
    TokenActions(),
    WholeResponse(),
    FixedNGram(length=3),
    FixedNGram(length=2, released_code=True),
    RandomNGram(repeats=1),
    RandomNGram(lengths=(1, 2), released_code=True),
    PerplexityRule(),
    PerplexityRule(released_code=True),
    ParseRule(),
    ParseRule(released_code=True),
]
FACTS = "uncle broke the ; nurse sold lamp <eos>"


def segmented(rule, length, log_probs=None, seed=0):
    mask = torch.arange(max(8, length)) < torch.tensor([[length]])
    numbers = torch.zeros(mask.shape) if log_probs is None else torch.tensor([log_probs + [torch.nan] * (8 - length)])
    found = rule.segment([["word"] * length], mask, numbers, np.random.default_rng(seed))
    assert (found[~mask] == -1).all()
    return found[mask].tolist()


@pytest.mark.parametrize(
    ("rule", "length", "expected"),
    [
        (TokenActions(), 4, [0, 1, 2, 3]),
        (WholeResponse(), 4, [0, 0, 0, 0]),
        (FixedNGram(length=2), 5, [0, 0, 1, 1, 2]),
        (FixedNGram(length=1), 4, [0, 1, 2, 3]),
        (FixedNGram(length=9), 4, [0, 0, 0, 0]),
        (FixedNGram(length=2, released_code=True), 5, [0, 0, 1, 1, 3]),
        (FixedNGram(length=2, released_code=True), 6, [0, 0, 1, 1, 2, 3]),
        (FixedNGram(length=1, released_code=True), 5, [0, 1, 2, 3, 5]),
        (FixedNGram(length=9, released_code=True), 5, [0, 0, 0, 0, 1]),
    ],
)
def test_where_the_extremes_and_fixed_lengths_end_actions(rule, length, expected):
    assert segmented(rule, length) == expected


def test_perplexity_starts_an_action_at_the_rise_and_the_released_code_one_token_before():
    log_probs = [-1.0, -0.5, -2.0, -2.0, -1.0, -3.0]
    assert segmented(PerplexityRule(), 6, log_probs) == [0, 0, 1, 1, 1, 2]
    assert segmented(PerplexityRule(released_code=True), 6, log_probs) == [0, 1, 1, 1, 2, 3]


def test_random_lengths_come_from_the_list_the_rest_is_one_action_and_the_seed_decides():
    found = segmented(RandomNGram(repeats=2), 60, seed=1)
    lengths = [found.count(action) for action in range(max(found) + 1)]
    assert sorted(lengths[:-1]) == [2, 2, 3, 3, 5, 5, 10, 10]
    assert lengths[-1] == 60 - 40
    assert found == segmented(RandomNGram(repeats=2), 60, seed=1)
    assert found != segmented(RandomNGram(repeats=2), 60, seed=2)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_every_rule_numbers_from_zero_never_falls_and_reads_no_padding(rule, lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    log_probs = -torch.rand(mask.shape, generator=generator)
    texts = [FACTS.split()[:length] + ["camera"] * (length - 8) for length in lengths]
    found = [
        rule.segment(texts, mask, log_probs.where(mask, garbage), np.random.default_rng(seed))
        for garbage in (0.0, torch.nan)
    ]
    assert torch.equal(*found)
    assert found[0].dtype == torch.int64
    assert ((found[0] >= 0) == mask).all()
    for row, length in zip(found[0].tolist(), lengths, strict=True):
        real = row[:length]
        assert real == sorted(real)
        assert max(real, default=0) <= 2 * length
        if length > 1:
            assert real[0] == 0


def test_starts_must_begin_at_the_first_token():
    with pytest.raises(ValueError, match="first token"):
        segments_from_starts([[1]], torch.ones(1, 2, dtype=torch.bool))


def test_every_rule_can_be_chosen_by_its_kind():
    adapter = TypeAdapter(MacroActions)
    for kind in ("token", "whole_response", "fixed_ngram", "random_ngram", "perplexity", "parse"):
        assert adapter.validate_python({"kind": kind}).kind == kind
