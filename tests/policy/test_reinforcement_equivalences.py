"""Settings that say the same in two ways end in the same weights, bit for bit."""

import pytest
import torch
from reinforced import SHORT, answered_prompts, changed, reward_model, same_weights

from tasks.data.rows import PromptRow
from tasks.data.tables import store_rows
from tasks.models.decoding import Decoding
from tasks.policy.policy_gradient import PolicyGradient, ValueModel
from tasks.policy.steps.advantages import BatchBaseline, LeaveOneOut
from tasks.policy.steps.clipped_policy import ClippedSurrogate, ScoreFunction
from tasks.policy.steps.clipped_value import ClippedValue
from tasks.policy.steps.filters import KeepAll, RandomSubset, RankWeights, Threshold
from tasks.policy.steps.kl_control import AdaptiveKL, FixedKL
from tasks.policy.steps.macro_actions import MacroPooling
from tasks.policy.steps.shaping import Ceiling
from tasks.policy.steps.starts import DatasetReset, FromPrompt, PolicyRollIn
from tasks.policy.steps.termination_rules import FixedNGram, WholeResponse
from tasks.reward.sources import FittedReward

EVERY_RANK = RankWeights(scheme="own", own_weights=(0.4, 0.3, 0.2, 0.1), keep_per_group=10)
PAIRED = PolicyGradient(per_prompt=4, advantage=LeaveOneOut())
PPO = PolicyGradient(per_prompt=4)


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        (PPO, {"start": DatasetReset(share=0.0)}),
        (PPO, {"start": PolicyRollIn(share=0.0)}),
        (PPO, {"actions": FixedNGram(length=1)}),
        (PPO, {"actions": FixedNGram(length=1), "pooling": MacroPooling(rewards="mean", values="position")}),
        (PPO, {"shaping": Ceiling(ceiling=100.0)}),
        (PPO, {"buffer_batches": SHORT.iterations}),
        (PPO, {"kl": AdaptiveKL(coefficient=0.05, horizon=10**9, target=1e4), "score_clip": PPO.score_clip}),
        (PAIRED, {"filter": EVERY_RANK}),
        (PAIRED, {"filter": RandomSubset(keep_per_group=4)}),
        (PAIRED, {"filter": Threshold(scheme="top", upper=-1e6)}),
        (PAIRED, {"actions": WholeResponse()}),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_what_says_the_same_ends_in_the_same_bits(bench, plain, other):
    first = bench.run(plain)
    second = bench.run(plain.model_copy(update=other))
    if "kl" in other:
        assert first.column("train/kl_coefficient") == pytest.approx(second.column("train/kl_coefficient"), rel=1e-6)
    else:
        assert same_weights(first, second)


@pytest.mark.parametrize("method", [PPO, PAIRED], ids=["ppo", "paired"])
def test_another_seed_ends_in_other_weights(bench, method):
    assert not same_weights(bench.run(method), bench.run(method, seed=1))


@pytest.mark.parametrize(
    "other",
    [
        {"start": DatasetReset(share=1.0)},
        {"start": PolicyRollIn(share=1.0)},
        {"actions": FixedNGram(length=3)},
        {"filter": RankWeights()},
        {"buffer_batches": 1, "kl": FixedKL(coefficient=0.5)},
    ],
    ids="-".join,
)
def test_every_step_of_the_loop_reaches_the_weights(bench, other):
    assert not same_weights(bench.run(PPO), bench.run(PPO.model_copy(update=other)))


def test_the_defaults_are_the_plain_steps():
    assert (PolicyGradient().start, PolicyGradient().filter, PolicyGradient().buffer_batches) == (
        FromPrompt(), KeepAll(), 1,
    )  # fmt: skip


def test_an_ensemble_of_one_is_its_member(bench):
    member = reward_model(bench.base)
    alone = bench.run(PPO, source=FittedReward(), fitted=[member])
    ensemble = bench.run(PPO, source=FittedReward(aggregate="mean"), fitted=[member])
    assert same_weights(alone, ensemble)
    assert alone.column("train/score_deviation")[0] > 0.01
    two = bench.run(PPO, source=FittedReward(aggregate="mean"), fitted=[member, reward_model(bench.base, seed=1)])
    assert two.column("train/reward_variance")[0] > 0.0
    assert not same_weights(alone, two)


def test_a_full_buffer_trains_on_earlier_rollouts(bench):
    longer = changed(SHORT, iterations=6)
    held = bench.run(PPO.model_copy(update={"buffer_batches": 3}), longer)
    fresh = bench.run(PPO, longer)
    assert held.column("train/score")[:4] == fresh.column("train/score")[:4]
    assert [abs(value) < 1e-6 for value in fresh.column("train/approx_kl")] == [True] * 6
    assert max(held.column("train/approx_kl")[3:]) > 1e-4


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        (ClippedSurrogate(kl_coefficient=0.04, entropy_coefficient=0.01), ClippedValue()),
        (ClippedSurrogate(reduction="sequence_mean"), ClippedValue(reduction="sequence_mean", tokens="trainable")),
        (ClippedSurrogate(ratio="macro"), ClippedValue(reduction="constant", width=10)),
        (ClippedSurrogate(ratio="sequence"), ClippedValue()),
        (ScoreFunction(), ClippedValue()),
    ],
    ids=["token", "sequence-mean", "macro", "sequence", "score-function"],
)
@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_micro_batches_leave_the_weights_alone(bench, trunk, loss, value):
    """With a small step: Adam makes whole steps of gradients that are rounding noise."""
    method = PolicyGradient(
        per_prompt=2, policy_loss=loss, value=ValueModel(trunk=trunk, loss=value), actions=FixedNGram(length=3),
        start=DatasetReset(share=0.5),
    )  # fmt: skip
    still = changed(SHORT, learning_rate=1e-5, iterations=2, inner_epochs=2, max_grad_norm=0.0)
    whole = bench.run(method, still)
    parts = bench.run(method, changed(still, micro_batch_size=3))
    for name, values in whole.weights().items():
        assert torch.allclose(values, parts.weights()[name], atol=1e-6), name
    assert parts.column("train/policy_loss") == pytest.approx(whole.column("train/policy_loss"), abs=1e-5)
    assert parts.column("train/loss") == pytest.approx(whole.column("train/loss"), abs=1e-5)
    assert parts.column("train/policy_grad_norm") == pytest.approx(whole.column("train/policy_grad_norm"), rel=1e-3)
    assert parts.column("train/critic_grad_norm") == pytest.approx(whole.column("train/critic_grad_norm"), rel=1e-3)


def test_batch_rows_leave_the_weights_alone(bench):
    narrow = changed(SHORT, decoding=Decoding(max_new_tokens=10, batch_rows=3), iterations=2)
    wide = changed(SHORT, iterations=2)
    for name, values in bench.run(PPO, wide).weights().items():
        assert torch.allclose(values, bench.run(PPO, narrow).weights()[name], atol=1e-3), name


def test_answers_that_are_not_used_do_not_count(bench):
    rows = [
        PromptRow(prompt_id=r["prompt_id"], prompt=r["prompt"], family=r["family"])
        for r in answered_prompts(family="hh")
    ]
    method = PolicyGradient(advantage=BatchBaseline(), policy_loss=ScoreFunction())
    assert same_weights(bench.run(method), bench.run(method, prompts=store_rows(rows, "bare")))
