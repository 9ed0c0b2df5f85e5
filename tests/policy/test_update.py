"""Optimiser steps on experience: how many, on what, and what stops them."""

import math
from dataclasses import replace

import pytest
import torch
from reinforced import MODEL, SHORT, answered_prompts, base_policy, changed
from torch import Tensor

from tasks.data.rows import PromptRow
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.opening import open_policy
from tasks.policy.actor_critic import ActorCritic, old_scores, open_critic
from tasks.policy.experience import Experience, experience_of
from tasks.policy.loop import NonFiniteLoss
from tasks.policy.policy_gradient import PolicyGradient, ValueModel
from tasks.policy.rollouts import Rollout
from tasks.policy.steps.clipped_value import ClippedValue
from tasks.policy.update import Learner, divisors, losses, make_learner, micro_batches, update

METHOD = PolicyGradient()
STILL = changed(SHORT, learning_rate=1e-4)


@pytest.fixture
def base(rlhf_home):
    return base_policy()


def learner_of(base, training=STILL, method=METHOD, trunk: str = "own") -> Learner:
    policy, _ = open_policy(base, MODEL)
    critic, head = open_critic(base, MODEL, seed=0) if trunk == "own" else (None, None)
    return make_learner(ActorCritic(policy, critic, head, 1.0), training, method.value)


def experience_for(base, model: ActorCritic, prompts: int = 6) -> Experience:
    """Two answers to each prompt, of different lengths, the first tokens of some of them forced."""
    _, tokenizer = open_policy(base, MODEL)
    rollouts = []
    for number, row in enumerate(answered_prompts(prompts)):
        answer = encode_response(tokenizer, row["response"])
        given = PromptRow(prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"])
        for ids in (answer[: 2 + number], answer[:4]):
            prompt = encode_prompt(tokenizer, row["prompt"])
            rollouts.append(Rollout(given, prompt, ids, number % 2, True, ""))
    empty = experience_of(rollouts, torch.device("cpu"))
    old, _ = old_scores(model, empty.encoded())
    draw = torch.randn(empty.mask.shape, generator=torch.Generator().manual_seed(0)).where(empty.mask, 0.0)
    return replace(
        empty, old_log_probs=old.log_probs, reference_log_probs=old.log_probs, values=old.values, advantages=draw,
        returns=draw.flip(0).where(empty.mask, 0.0),
    )  # fmt: skip


def weights(learner: Learner) -> Tensor:
    return torch.cat([value.detach().flatten() for value in learner.model.parameters()])


def steps_taken(learner: Learner) -> int:
    return int(max(state["step"] for state in learner.optimizer.state.values()))


@pytest.mark.parametrize(("epochs", "minibatches", "steps"), [(1, 1, 1), (3, 1, 3), (1, 3, 3), (2, 4, 8), (2, 50, 12)])
def test_inner_epochs_times_minibatches_are_the_steps(base, epochs, minibatches, steps):
    learner = learner_of(base)
    experience = experience_for(base, learner.model)
    update(learner, experience, METHOD, changed(STILL, inner_epochs=epochs, minibatches=minibatches), seed=0)
    assert steps_taken(learner) == steps


def test_minibatches_are_drawn_by_the_seed(base):
    found = []
    for seed in (0, 0, 1):
        learner = learner_of(base)
        update(learner, experience_for(base, learner.model), METHOD, changed(STILL, minibatches=3), seed)
        found.append(weights(learner))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_losses_of_parts_add_up_to_the_minibatchs(base):
    learner = learner_of(base)
    whole = experience_for(base, learner.model)
    over = divisors(whole, METHOD)
    loss = losses(learner.model, whole, METHOD, over)[0].item()
    for rows in (1, 4, 5):
        parts = [losses(learner.model, part, METHOD, over)[0].item() for part in micro_batches(whole, rows)]
        assert len(parts) == math.ceil(len(whole.groups) / rows)
        assert sum(parts) == pytest.approx(loss, abs=1e-6)
    assert list(micro_batches(whole, 0)) == [whole]


def test_garbage_outside_the_mask_changes_nothing(base):
    clean, dirty = learner_of(base), learner_of(base)
    whole = experience_for(base, clean.model)
    noise = torch.full(whole.mask.shape, 1e6)
    names = ("old_log_probs", "reference_log_probs", "values", "advantages", "returns")
    spoiled = replace(whole, **{name: getattr(whole, name).where(whole.mask, noise) for name in names})
    settings = changed(STILL, minibatches=2, micro_batch_size=3)
    assert update(clean, whole, METHOD, settings, 0) == update(dirty, spoiled, METHOD, settings, 0)
    assert torch.equal(weights(clean), weights(dirty))


def test_a_forced_token_moves_no_policy(base):
    """Advantages of forced tokens are not read; a part that is all forced is left out."""
    clean, dirty = learner_of(base), learner_of(base)
    whole = experience_for(base, clean.model)
    spoiled = replace(whole, advantages=whole.advantages.where(~whole.forced, 77.0))
    update(clean, whole, METHOD, STILL, 0)
    update(dirty, spoiled, METHOD, STILL, 0)
    assert torch.equal(weights(clean), weights(dirty))
    before = weights(clean)
    assert update(clean, replace(whole, forced=whole.mask), METHOD, STILL, 0) == {}
    assert torch.equal(weights(clean), before)


def test_policy_and_value_model_have_a_rate_and_a_clip_of_their_own(base):
    method = PolicyGradient(value=ValueModel(learning_rate=1e-8, loss=ClippedValue(factor=100.0)))
    learner = learner_of(base, changed(STILL, max_grad_norm=1e-3), method)
    assert [group["lr"] for group in learner.optimizer.param_groups] == [1e-4, 1e-8]
    before = {name: value.detach().clone() for name, value in learner.model.named_parameters()}
    logged = update(learner, experience_for(base, learner.model), method, changed(STILL, max_grad_norm=1e-3), 0)
    assert logged["critic_grad_norm"] > 10.0 > logged["policy_grad_norm"] > 1e-3
    for name, value in learner.model.named_parameters():
        moved = float((value.detach() - before[name]).abs().max())
        assert moved <= (1.1e-4 if name.startswith("policy.") else 1e-7), name
    assert learner_of(base, trunk="none").parameters().keys() == {"policy"}


@pytest.mark.parametrize("broken", ["advantages", "returns"])
def test_a_loss_that_is_not_finite_takes_no_step(base, broken):
    learner = learner_of(base)
    whole = experience_for(base, learner.model)
    bad = replace(whole, **{broken: getattr(whole, broken).where(~whole.trainable, math.nan)})
    before = weights(learner)
    with pytest.raises(NonFiniteLoss, match=r"became nan with learning_rate 0\.0001"):
        update(learner, bad, METHOD, STILL, 0)
    assert torch.equal(weights(learner), before)
