"""Fitting a reward model to preference pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, DatasetRef, RewardRef
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import disable_dropout
from tasks.policy.loop import LossOf, Metrics, parameter_count, steps_of, train
from tasks.reward.model import Pooling, RewardNetwork, new_network, score_groups
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.objectives.pairs import ScoredPairs
from tasks.reward.settings import RewardTraining
from tasks.reward.storing import RewardCard, store_reward


class LabelledPairRow(PairRow, total=False):
    """A pair whose data may say which responses are harmful."""

    chosen_unsafe: bool
    rejected_unsafe: bool


class HeldOutFacts(NamedTuple):
    """How a reward model scores pairs that it was not fitted to."""

    accuracy: float
    mean: list[float]
    standard_deviation: list[float]


def fit_reward(
    start: Checkpoint,
    pairs: DatasetRef,
    held_out: DatasetRef,
    objective: RewardObjective,
    training: RewardTraining,
    model: ModelConfig,
    seed: int,
) -> RewardRef:
    """Fit a reward model on the body of ``start`` to ``pairs``; ``seed`` draws its head and the order of the data.

    ``held_out`` pairs are never fitted: accuracy, mean and spread of the scores on them are logged and kept with the
    model, the latter two for standardising. Raises UserError for pairs too long for the model or too few of them.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "training")
    tracker.dataset(held_out, "validation")
    rows = read_rows_of(pairs, LabelledPairRow)
    policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    network = new_network(policy, len(objective.heads), 0 if training.shared_head else seed, training.pooling)
    tracker.metrics({"model/parameters": parameter_count(network)}, 0)
    groups = encode_pairs(tokenizer, rows)
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in groups]
    plan = steps_of(plan_batches(lengths, training.batch_size, seed, training.epochs), training)
    train(network, plan, reward_loss(network, groups, unsafe_labels(rows), objective), training, tracker)
    tokens = sum(2 * len(groups[row].prompt) + sum(map(len, groups[row].responses)) for batch in plan for row in batch)
    tracker.metrics({"cost/tokens": tokens}, len(plan))
    facts = held_out_facts(
        network, encode_pairs(tokenizer, read_rows_of(held_out, PairRow)), objective.higher_is_better
    )
    log_held_out(facts, len(plan))
    card = RewardCard(
        objective=objective.model_dump(mode="json"),
        heads=list(objective.heads),
        higher_is_better=objective.higher_is_better,
        pooling=training.pooling,
        base=start.digest,
        pairs=pairs.digest,
        pairs_name=pairs.name,
        pairs_rows=len(rows),
        held_out=held_out.digest,
        seed=seed,
        **facts._asdict(),
    )
    return store_reward(network, policy, tokenizer, card)


def encode_pairs(tokenizer: PreTrainedTokenizerBase, rows: Sequence[PairRow]) -> list[EncodedGroup]:
    """Token ids of pairs: the chosen response first, both closed by EOS."""
    return [
        EncodedGroup(
            encode_prompt(tokenizer, row["prompt"]),
            [encode_response(tokenizer, answer) for answer in (row["chosen"], row["rejected"])],
        )
        for row in rows
    ]


def unsafe_labels(rows: Sequence[LabelledPairRow]) -> Tensor | None:
    """[pairs, 2] bool, or None where a row does not say.

    Data of pairs without such labels have no ``chosen_unsafe`` and ``rejected_unsafe``, or null in them.
    """
    labels = [(row.get("chosen_unsafe"), row.get("rejected_unsafe")) for row in rows]
    known = bool(labels) and all(label is not None for pair in labels for label in pair)
    return torch.tensor(labels, dtype=torch.bool) if known else None


def reward_loss(
    network: RewardNetwork, groups: Sequence[EncodedGroup], unsafe: Tensor | None, objective: RewardObjective
) -> LossOf:
    """The loss that the loop takes: ``objective`` on the scores of the pairs; ``network`` is the module unwrapped."""

    def loss_of(module: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        part = [groups[row] for row in rows]
        lengths = torch.tensor([[len(response) for response in group.responses] for group in part])
        scores = module(part, objective.every_token)
        lengths = lengths.to(scores.device)
        scored = ScoredPairs(
            scores=pooled_scores(scores, lengths, network.pooling) if objective.every_token else scores,
            lengths=lengths,
            head=network.head.weight,
            unsafe=None if unsafe is None else unsafe[rows].to(scores.device),
            tokens=scores if objective.every_token else None,
            first_difference=first_differences(part).to(scores.device) if objective.every_token else None,
        )
        return objective.loss(scored)

    return loss_of


def pooled_scores(scores: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """Rewards from scores after every token: [pairs, 2, time, heads] and [pairs, 2], at least 1 -> [pairs, 2, heads].

    ``scores`` are zero after a response's end.
    """
    if pooling == "mean":
        return scores.sum(2) / lengths[..., None]
    places = (lengths - 1)[..., None, None].expand(*lengths.shape, 1, scores.shape[-1])
    return scores.gather(2, places).squeeze(2)


def first_differences(groups: Sequence[EncodedGroup]) -> Tensor:
    """[pairs] int64: index of the first token that differs; where one response begins the other, its length."""
    found = []
    for first, second in (group.responses for group in groups):
        shared = min(len(first), len(second))
        found.append(next((place for place in range(shared) if first[place] != second[place]), shared))
    return torch.tensor(found)


def held_out_facts(network: RewardNetwork, groups: Sequence[EncodedGroup], higher_is_better: bool) -> HeldOutFacts:
    """Accuracy of the first head, a tie counting half, and mean and population deviation of all, one a head."""
    scores = torch.stack(score_groups(network, groups)).double()
    better = (scores[:, 0, 0] - scores[:, 1, 0]) * (1.0 if higher_is_better else -1.0)
    flat = scores.flatten(0, 1)
    return HeldOutFacts(
        accuracy=float(((better > 0).double() + 0.5 * (better == 0).double()).mean()),
        mean=flat.mean(0).tolist(),
        standard_deviation=flat.std(0, correction=0).tolist(),
    )


def log_held_out(facts: HeldOutFacts, step: int) -> None:
    """Record the facts of the first head with the run that is open."""
    current_tracker().metrics(
        {
            "held_out/reward_accuracy": facts.accuracy,
            "held_out/reward_mean": facts.mean[0],
            "held_out/reward_spread": facts.standard_deviation[0],
        },
        step,
    )
