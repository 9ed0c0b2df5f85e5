"""Fitting a reward model and keeping it at several steps, so that it can be stopped where it generalises best."""

import json

from torch import nn
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.files import write_json
from tasks.engine.refs import Checkpoint, DatasetRef, RewardRef
from tasks.engine.tracking import Tracker, current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import disable_dropout
from tasks.policy.loop import parameter_count, snapshots_at, steps_of, train
from tasks.reward.fitting import (
    LabelledPairRow,
    encode_pairs,
    held_out_facts,
    log_held_out,
    reward_loss,
    unsafe_labels,
)
from tasks.reward.model import RewardNetwork, new_network
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.series import RewardSeries, RewardSeriesTraining
from tasks.reward.storing import RewardCard, store_reward


def fit_reward_series(
    start: Checkpoint,
    pairs: DatasetRef,
    held_out: DatasetRef,
    objective: RewardObjective,
    training: RewardSeriesTraining,
    model: ModelConfig,
    seed: int,
) -> RewardSeries:
    """``fit_reward`` with checkpoints: the same rows in the same order, stored after every share of the steps.

    Raises UserError for pairs too long for the model or too few of them.
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
    card = RewardCard(
        objective=objective.model_dump(mode="json"),
        heads=list(objective.heads),
        higher_is_better=objective.higher_is_better,
        pooling=training.pooling,
        mean=[],
        standard_deviation=[],
        accuracy=0.0,
        base=start.digest,
        pairs=pairs.digest,
        pairs_name=pairs.name,
        pairs_rows=len(rows),
        held_out=held_out.digest,
        seed=seed,
    )
    judged = encode_pairs(tokenizer, read_rows_of(held_out, PairRow))
    snapshots = RewardSnapshots(network, policy, tokenizer, judged, card, tracker)
    steps = snapshots_at(len(plan), training.snapshots)
    loss = reward_loss(network, groups, unsafe_labels(rows), objective)
    train(network, plan, loss, training, tracker, snapshots.take, steps)
    tokens = sum(2 * len(groups[row].prompt) + sum(map(len, groups[row].responses)) for batch in plan for row in batch)
    tracker.metrics({"cost/tokens": tokens}, len(plan))
    return snapshots.series(steps)


class RewardSnapshots:
    """Stores the reward model after chosen steps; what was stored before a kill is remembered."""

    def __init__(
        self,
        network: RewardNetwork,
        policy: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        held_out: list[EncodedGroup],
        card: RewardCard,
        tracker: Tracker,
    ) -> None:
        self._network = network
        self._policy = policy
        self._tokenizer = tokenizer
        self._held_out = held_out
        self._card = card
        self._list = tracker.work / "rewards.json"

    def take(self, step: int) -> None:
        """Store the reward model as it is after ``step`` steps, with its scores of the held-out pairs."""
        facts = held_out_facts(self._network, self._held_out, self._card.higher_is_better)
        log_held_out(facts, step)
        card = self._card.model_copy(update=facts._asdict())
        ref = store_reward(self._network, self._policy, self._tokenizer, card)
        write_json(self._list, self._stored() | {str(step): ref.model_dump(mode="json")})

    def series(self, steps: list[int]) -> RewardSeries:
        """The reward models stored at ``steps``, in their order."""
        stored = self._stored()
        return RewardSeries(steps=steps, rewards=[RewardRef.model_validate(stored[str(step)]) for step in steps])

    def _stored(self) -> dict[str, dict[str, object]]:
        return json.loads(self._list.read_text()) if self._list.exists() else {}
