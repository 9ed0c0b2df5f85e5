"""A policy and its value model, scored token by token: one forward where they share a trunk, two where they do not."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModel, PreTrainedModel

from tasks.engine.refs import Checkpoint, RewardRef
from tasks.engine.store import Store
from tasks.models.config import ModelConfig
from tasks.models.log_probs import CHUNK_LOGITS, label_log_probs, pack_for, scored_hidden_states
from tasks.models.opening import device
from tasks.models.packing import EncodedGroup, Packed
from tasks.models.parts import Scorable, disable_dropout, real_logits, real_vocabulary_size


class TokenScores(NamedTuple):
    """What a policy says of given responses, [responses, longest] float32 each, zero after a response's end."""

    log_probs: Tensor
    """log pi(y_t | x, y_<t), nats, at the sampling temperature."""
    values: Tensor
    """V(x, y_<t): the value of the state in which token t is chosen."""
    entropies: Tensor | None = None
    """Of pi(. | x, y_<t), nats, where an entropy bonus asks for them."""


class ActorCritic(nn.Module):
    """A policy with a value model. ``forward`` is the one entry that gradients come through."""

    def __init__(
        self,
        policy: nn.Module,
        critic: nn.Module | None,
        value_head: nn.Linear | None,
        temperature: float,
        entropy_bonus: bool = False,
    ) -> None:
        """``critic`` is a trunk of its own, None where the value head reads the policy's; no head, values are zero."""
        super().__init__()
        self.policy, self.critic, self.value_head = policy, critic, value_head
        self.temperature, self.entropy_bonus = temperature, entropy_bonus

    def forward(self, groups: Sequence[EncodedGroup]) -> TokenScores:
        """Score every response of every group, groups in order; carries gradients to policy and value model."""
        packed = pack_for(self.policy, groups)
        hidden = scored_hidden_states(self.policy, packed)
        log_probs = packed.by_response(_log_probs(self.policy, hidden, packed.labels, self.temperature))
        entropies = None
        if self.entropy_bonus:
            entropies = packed.by_response(_entropies(self.policy, hidden, self.temperature))
        return TokenScores(log_probs, self.values(groups, packed, hidden, log_probs), entropies)

    def values(self, groups: Sequence[EncodedGroup], packed: Packed, hidden: Tensor, log_probs: Tensor) -> Tensor:
        """Values of the states that ``hidden`` [scored, hidden] of the policy belongs to, laid out as ``log_probs``."""
        if self.value_head is None:
            return torch.zeros_like(log_probs)
        if self.critic is not None:
            packed = pack_for(self.critic, groups)
            hidden = scored_hidden_states(self.critic, packed)
        return packed.by_response(self.value_head(hidden.float()).squeeze(-1))


def token_log_probs(model: Scorable, groups: Sequence[EncodedGroup], temperature: float) -> Tensor:
    """log pi(y_t | x, y_<t) at ``temperature``, [responses, longest] float32, zero after a response's end."""
    packed = pack_for(model, groups)
    return packed.by_response(_log_probs(model, scored_hidden_states(model, packed), packed.labels, temperature))


def old_scores(
    model: ActorCritic, groups: Sequence[EncodedGroup], gradient: bool = False
) -> tuple[TokenScores, Tensor]:
    """Scores of the policy that has sampled, with gradient if the first step is to use them; detached entropies."""
    with torch.set_grad_enabled(gradient):
        packed = pack_for(model.policy, groups)
        hidden = scored_hidden_states(model.policy, packed)
        log_probs = packed.by_response(_log_probs(model.policy, hidden, packed.labels, model.temperature))
        with torch.set_grad_enabled(gradient and model.entropy_bonus):
            entropies = packed.by_response(_entropies(model.policy, hidden, model.temperature))
        return TokenScores(log_probs, model.values(groups, packed, hidden, log_probs), entropies), entropies.detach()


def open_critic(ref: Checkpoint | RewardRef, config: ModelConfig, seed: int) -> tuple[nn.Module, nn.Linear]:
    """A value model from a policy (a head near zero) or from a reward model (its own score head), on the device."""
    trunk = open_trunk(ref, config)
    hidden_size = trunk.config.hidden_size
    head = reward_head(ref) if isinstance(ref, RewardRef) else new_value_head(hidden_size, seed)
    if config.lora_rank:
        adapters = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear")
        return get_peft_model(trunk, adapters).to(device()), head.to(device())
    return trunk.to(device()), head.to(device())


def open_trunk(ref: Checkpoint | RewardRef, config: ModelConfig) -> PreTrainedModel:
    """The body of a stored model, without its head, dropout off."""
    trunk = AutoModel.from_pretrained(
        str(Store().open(ref)),
        use_safetensors=True,
        trust_remote_code=False,
        dtype=getattr(torch, config.dtype),
        attn_implementation=config.attention,
    )
    disable_dropout(trunk)
    if config.gradient_checkpointing:
        trunk.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return trunk


def new_value_head(hidden_size: int, seed: int) -> nn.Linear:
    """A head whose values start near zero: N(0, 1 / (hidden + 1)) / 10 weights, the same for a seed everywhere."""
    head = nn.Linear(hidden_size, 1)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.copy_(0.1 * torch.randn(1, hidden_size, generator=generator) / (hidden_size + 1) ** 0.5)
        head.bias.zero_()
    return head


def reward_head(ref: RewardRef) -> nn.Linear:
    """The score head of a reward model as a value head: the first row where it has several."""
    from safetensors.torch import load_file

    weight = load_file(Store().open(ref) / "model.safetensors")["score.weight"].float()
    head = nn.Linear(weight.shape[1], 1)
    with torch.no_grad():
        head.weight.copy_(weight[:1])
        head.bias.zero_()
    return head


def _log_probs(model: Scorable, hidden: Tensor, labels: Tensor, temperature: float) -> Tensor:
    def score(hidden: Tensor, labels: Tensor) -> Tensor:
        return label_log_probs(real_logits(model, hidden) / temperature, labels)

    rows = max(1, CHUNK_LOGITS // real_vocabulary_size(model))
    if len(labels) <= rows:
        return score(hidden, labels)
    chunks = zip(hidden.split(rows), labels.split(rows), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([score(*chunk) for chunk in chunks])
    return torch.cat([checkpoint(score, *chunk, use_reentrant=False) for chunk in chunks])


def _entropies(model: Scorable, hidden: Tensor, temperature: float) -> Tensor:
    rows = max(1, CHUNK_LOGITS // real_vocabulary_size(model))
    parts = [(real_logits(model, part) / temperature).log_softmax(-1) for part in hidden.split(rows)]
    return torch.cat([-(part.exp() * part).sum(-1) for part in parts])
