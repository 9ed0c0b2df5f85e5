"""A tiny world for the policy-gradient loop: an untrained policy, prompts with answers, runs in their own folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from tasks.data.rows import DemonstrationRow
from tasks.data.tables import store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint, CheckpointSeries, RewardRef, Rewards
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.loading import save_model
from tasks.models.opening import open_policy
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.reinforcement import optimise_policy
from tasks.reward.model import new_network
from tasks.reward.scoring import store_rewards
from tasks.reward.sources import NoisyGoldReward, RewardSource
from tasks.reward.storing import RewardCard, store_reward

SHAPE = ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64)
MODEL = ModelConfig(scratch=SHAPE)
DENSE = NoisyGoldReward(shape="homoscedastic")
"""No two texts get the same reward, unlike the gold reward of what an untrained policy says."""
SHORT = ReinforcementTraining(
    iterations=3, rollouts=8, learning_rate=3e-3, warmup_steps=0, decoding=Decoding(max_new_tokens=10), snapshots=1
)


def base_policy(seed: int = 0, fill: float | None = None) -> Checkpoint:
    """An untrained policy; every weight of its last norm is ``fill`` if that is given."""
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=seed)
    if fill is not None:
        torch.nn.init.constant_(model.base_model.norm.weight, fill)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


def answered_prompts(count: int = 48, family: str = "instruct") -> list[DemonstrationRow]:
    """Prompts with the demonstrator's response."""
    return demonstrations(sample_prompts(family, "train", count, seed=0), seed=0)


class Ran:
    """What a run left: its checkpoints, and what it logged at every iteration."""

    def __init__(self, series: CheckpointSeries, spool: Path) -> None:
        self.series = series
        self.logged = iterations_logged(spool)

    def column(self, name: str) -> list[float]:
        return [values[name] for values in self.logged]

    def weights(self) -> dict[str, Tensor]:
        return load_file(Store().open(self.series.final) / "model.safetensors")


def iterations_logged(spool: Path) -> list[dict[str, float]]:
    """Metrics of every iteration in order; what was logged twice counts as it was logged last."""
    events = [event for event, _ in read_events(spool) if event["event"] == "metrics"]
    found = {event["step"]: event["values"] for event in events if "train/score" in event["values"]}
    return [found[step] for step in sorted(found)]


class Bench:
    """Runs from one untrained policy on one set of prompts."""

    def __init__(self, folder: Path, prompts: int = 48, family: str = "hh") -> None:
        folder.mkdir()
        self.folder = folder
        self.rows = answered_prompts(prompts, family)
        self.prompts = store_rows(self.rows, "prompts")
        self.base = base_policy()
        self.runs = 0

    def run(
        self,
        method: PolicyGradient,
        training: ReinforcementTraining = SHORT,
        source: RewardSource = DENSE,
        fitted: Sequence[RewardRef] = (),
        anchors: Sequence[Rewards] = (),
        **changes: Any,
    ) -> Ran:
        """Train in a new folder; ``changes`` replace start, reference, prompts, model or seed."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        given = {"start": self.base, "reference": self.base, "prompts": self.prompts, "model": MODEL, "seed": 0}
        with stage_tracker(folder / "run.jsonl", folder / "work"):
            series = optimise_policy(
                source=source, fitted=fitted, anchors=anchors, method=method, training=training, **(given | changes)
            )
        return Ran(series, folder / "run.jsonl")

    def anchors(self, rewards: Mapping[str, Sequence[float]]) -> Rewards:
        """Rewards of finished reference responses, by prompt."""
        rows = [
            {"prompt_id": prompt_id, "sample": sample, "finished": True, "response_tokens": 5, "reward": reward}
            for prompt_id, given in rewards.items()
            for sample, reward in enumerate(given)
        ]
        return store_rewards(pd.DataFrame(rows))


def reward_model(base: Checkpoint, seed: int = 0, fill: float | None = None) -> RewardRef:
    """A reward model nobody fitted, on the body of ``base``; every weight of its head is ``fill`` if that is given."""
    policy, tokenizer = open_policy(base, MODEL)
    network = new_network(policy, 1, seed, "mean")
    if fill is not None:
        torch.nn.init.constant_(network.head.weight, fill)
    card = RewardCard(
        objective={"kind": "none"}, heads=["reward"], pooling="mean", mean=[0.0], standard_deviation=[0.1],
        accuracy=0.5, base=base.digest, pairs="", held_out="", seed=seed,
    )  # fmt: skip
    return store_reward(network, policy, tokenizer, card)


def same_weights(one: Ran, other: Ran) -> bool:
    """Whether two runs ended in the same bits."""
    left, right = one.weights(), other.weights()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def changed(settings: ReinforcementTraining, **values: Any) -> ReinforcementTraining:
    """``settings`` with other values."""
    return settings.model_copy(update=values)
