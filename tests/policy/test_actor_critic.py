"""A policy with its value model against a slow forward of the whole sequence."""

import pytest
import torch
from reinforced import MODEL, answered_prompts, base_policy, reward_model
from torch import Tensor, nn

from tasks.engine.store import Store
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.log_probs import response_log_probs
from tasks.models.opening import open_frozen, open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import real_vocabulary_size
from tasks.policy.actor_critic import (
    ActorCritic,
    new_value_head,
    old_scores,
    open_critic,
    reward_head,
    token_log_probs,
)
from tasks.reward.storing import open_reward

TRUNKS = ("own", "shared", "none")


@pytest.fixture
def base(rlhf_home):
    return base_policy()


def groups_of(tokenizer) -> list[EncodedGroup]:
    """Prompts of several lengths with one to three responses, one of them EOS alone."""
    found = []
    for number, row in enumerate(answered_prompts(4, "instruct")):
        answer = encode_response(tokenizer, row["response"])
        responses = [answer, answer[:3], [tokenizer.eos_token_id]][: number % 3 + 1]
        found.append(EncodedGroup(encode_prompt(tokenizer, row["prompt"]), responses))
    return found


def opened(base, trunk: str, temperature: float = 1.0, entropy_bonus: bool = False):
    policy, tokenizer = open_policy(base, MODEL)
    critic, head = None, None
    if trunk == "own":
        critic, head = open_critic(base_policy(seed=5), MODEL, seed=0)
    elif trunk == "shared":
        head = new_value_head(policy.config.hidden_size, seed=0)
    return ActorCritic(policy, critic, head, temperature, entropy_bonus), groups_of(tokenizer)


def slow(model: ActorCritic, groups: list[EncodedGroup]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Log-probabilities, values and entropies of every response, from whole sequences one by one."""
    log_probs, values, entropies = [], [], []
    for prompt, responses in groups:
        for response in responses:
            ids = torch.tensor([prompt + response])
            places = torch.arange(len(prompt) - 1, ids.shape[1] - 1)
            logits = model.policy(ids).logits[0, places, : real_vocabulary_size(model.policy)].double()
            scaled = (logits / model.temperature).log_softmax(-1)
            log_probs.append(scaled.gather(-1, torch.tensor(response)[:, None]).squeeze(-1))
            entropies.append(-(scaled.exp() * scaled).sum(-1))
            trunk = model.critic or model.policy.base_model
            hidden = trunk(ids).last_hidden_state[0, places]
            values.append(model.value_head(hidden).squeeze(-1) if model.value_head else torch.zeros(len(response)))
    return log_probs, values, entropies


def laid_out(rows: list[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True).float()


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.0])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_scores_are_those_of_a_slow_forward(base, trunk, temperature):
    model, groups = opened(base, trunk, temperature, entropy_bonus=True)
    with torch.no_grad():
        found = model(groups)
        expected = [laid_out(rows) for rows in slow(model, groups)]
    for one, other in zip(found, expected, strict=True):
        assert one.shape == (7, max(len(response) for group in groups for response in group.responses))
        assert torch.allclose(one, other, atol=2e-5)
    assert bool(found.values.any()) == (trunk != "none")


def test_at_temperature_one_log_probs_are_the_scorers_bit_for_bit(base):
    model, groups = opened(base, "shared")
    with torch.no_grad():
        plain = response_log_probs(model.policy, groups).values
        assert torch.equal(model(groups).log_probs, plain)
        assert torch.equal(token_log_probs(model.policy, groups, 1.0), plain)
    assert model(groups).entropies is None


@pytest.mark.parametrize("trunk", TRUNKS)
def test_old_scores_are_the_new_ones_before_a_step_and_carry_no_gradient(base, trunk):
    model, groups = opened(base, trunk, 0.7, entropy_bonus=True)
    old, entropies = old_scores(model, groups)
    new = model(groups)
    assert torch.equal(old.log_probs, new.log_probs)
    assert torch.equal(old.values, new.values)
    assert torch.allclose(entropies, new.entropies)
    assert not any(values.requires_grad for values in (old.log_probs, old.values, entropies))
    assert new.log_probs.requires_grad


def test_padding_is_zero_and_a_row_does_not_depend_on_the_others(base):
    model, groups = opened(base, "own")
    with torch.no_grad():
        together = model(groups)
        alone = model(groups[2:3])
    lengths = torch.tensor([len(response) for group in groups for response in group.responses])
    padding = torch.arange(together.values.shape[1]) >= lengths[:, None]
    for one, other in zip(together[:2], alone[:2], strict=True):
        assert not one[padding].any()
        assert torch.allclose(one[3:6, : other.shape[1]], other, atol=1e-5)


def test_a_value_loss_moves_a_shared_trunk_and_leaves_the_policy_of_an_own_one_alone(base):
    for trunk in ("own", "shared"):
        model, groups = opened(base, trunk)
        model(groups).values.square().sum().backward()
        moved = any(value.grad is not None and value.grad.any() for value in model.policy.parameters())
        assert moved == (trunk == "shared")
        assert model.value_head.weight.grad.any()
        if model.critic:
            assert any(value.grad is not None and value.grad.any() for value in model.critic.parameters())


def test_a_policy_loss_leaves_an_own_critic_alone(base):
    model, groups = opened(base, "own")
    model(groups).log_probs.sum().backward()
    assert all(value.grad is None for value in [*model.critic.parameters(), *model.value_head.parameters()])


def test_a_critic_that_starts_from_a_reward_model_gives_its_scores(base):
    """V in the state before a token is the reward model's score after the token before."""
    ref = reward_model(base, seed=3)
    critic, head = open_critic(ref, MODEL, seed=0)
    reward = open_reward(ref, MODEL)
    assert torch.equal(head.weight, reward.network.head.weight)
    assert not head.bias.any()
    assert torch.equal(reward_head(ref).weight, head.weight)
    policy, tokenizer = open_frozen(base, MODEL)
    groups = [EncodedGroup(group.prompt, group.responses[:1]) for group in groups_of(tokenizer)]
    model = ActorCritic(policy, critic, head, 1.0)
    with torch.no_grad():
        values = model(groups).values
        after = reward.network(groups, every_token=True)[:, 0, :, 0]
    for row, group in enumerate(groups):
        length = len(group.responses[0])
        assert torch.allclose(values[row, 1:length], after[row, : length - 1], atol=1e-5)


def test_a_new_head_starts_near_zero_and_by_its_seed(base):
    heads = [new_value_head(32, seed) for seed in (0, 0, 1)]
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)
    model, groups = opened(base, "shared")
    assert model(groups).values.abs().max() < 0.5


def test_a_trunk_of_its_own_starts_as_the_policy_and_trains_alone(base):
    critic, _ = open_critic(base, MODEL, seed=0)
    policy, _ = open_policy(base, MODEL)
    body = dict(policy.base_model.named_parameters())
    assert dict(critic.named_parameters()).keys() == body.keys()
    for name, value in critic.named_parameters():
        assert torch.equal(value, body[name])
        assert value.requires_grad
        assert value.data_ptr() != body[name].data_ptr()
    assert Store().open(base).exists()


def test_adapters_on_a_critic_are_all_that_trains(base):
    critic, head = open_critic(base, MODEL.model_copy(update={"lora_rank": 2}), seed=0)
    trained = [name for name, value in critic.named_parameters() if value.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    policy, tokenizer = open_policy(base, MODEL)
    plain, _ = open_critic(base, MODEL, seed=0)
    groups = groups_of(tokenizer)
    with torch.no_grad():
        values = [ActorCritic(policy, trunk, head, 1.0)(groups).values for trunk in (critic, plain)]
    assert torch.allclose(*values, atol=1e-6)


def test_gradient_checkpointing_leaves_gradients_alone(base):
    found = []
    for checkpointing in (False, True):
        config = MODEL.model_copy(update={"gradient_checkpointing": checkpointing})
        policy, tokenizer = open_policy(base, config)
        critic, head = open_critic(base, config, seed=0)
        model = ActorCritic(policy, critic, head, 1.0).train()
        scores = model(groups_of(tokenizer))
        (scores.log_probs.sum() + scores.values.sum()).backward()
        found.append([value.grad for value in model.parameters()])
    for one, other in zip(*found, strict=True):
        assert (one is None and other is None) or torch.allclose(one, other, atol=1e-4)
