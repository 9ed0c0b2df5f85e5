"""One reward model out of several by the mean of their weights (WARM, Ramé et al. 2024, arXiv 2401.12187)."""

from collections.abc import Hashable, Sequence

import torch
from torch import nn

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import DatasetRef, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.opening import device
from tasks.reward.fitting import encode_pairs, held_out_facts, log_held_out
from tasks.reward.model import RewardNetwork
from tasks.reward.storing import RewardCard, open_reward, read_card, read_classifier, store_classifier


def average_rewards(fitted: Sequence[RewardRef], held_out: DatasetRef, model: ModelConfig) -> RewardRef:
    """The reward model whose every weight, heads included, is the mean of those of ``fitted``.

    Means make sense among models fitted from one base with one initial head (``RewardTraining.shared_head``), as WARM
    does it. Accuracy, mean and spread are taken anew on ``held_out``.

    Raises:
        UserError: there is none, or they differ in base, heads, pooling or kind of objective.
    """
    cards = [read_card(ref) for ref in fitted]
    require_kin(cards)
    tracker = current_tracker()
    tracker.dataset(held_out, "validation")
    members = [open_reward(ref, model) for ref in fitted]
    classifier = read_classifier(Store().open(fitted[0]), model).to(device())
    head = nn.Linear(members[0].network.head.in_features, len(cards[0].heads), bias=False)
    network = RewardNetwork(classifier.base_model, head.to(device()), cards[0].pooling).eval()
    average_into(network, [member.network for member in members])
    rows = read_rows_of(held_out, PairRow)
    tokenizer = members[0].tokenizer
    facts = held_out_facts(network, encode_pairs(tokenizer, rows), cards[0].higher_is_better)
    log_held_out(facts, 0)
    averaged = {"averaged": [ref.digest for ref in fitted], "held_out": held_out.digest}
    card = cards[0].model_copy(update=facts._asdict() | averaged)
    return store_classifier(classifier, network.head.weight.detach(), tokenizer, card)


def average_into(target: nn.Module, sources: Sequence[nn.Module]) -> None:
    """Set every parameter of ``target`` to the mean of the same parameter of ``sources``, taken in float64."""
    tables = [dict(source.named_parameters()) for source in sources]
    with torch.no_grad():
        for name, value in target.named_parameters():
            total = sum((table[name].double() for table in tables), torch.zeros_like(value, dtype=torch.float64))
            value.copy_(total / len(tables))


def require_kin(cards: Sequence[RewardCard]) -> None:
    """Raise UserError unless the weights of these reward models can be averaged."""
    if not cards:
        raise UserError("no reward model to average; give at least one")
    facts: dict[str, set[Hashable]] = {
        "base": {card.base for card in cards},
        "heads": {tuple(card.heads) for card in cards},
        "pooling": {card.pooling for card in cards},
        "objective": {card.objective.get("kind") for card in cards},
    }
    different = [name for name, values in facts.items() if len(values) > 1]
    if different:
        raise UserError(f"reward models to average differ in {', '.join(different)}; fit them alike, by seed alone")
