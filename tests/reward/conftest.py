"""A tiny base model and pairs that differ in one visible habit, as artifacts of a fresh store."""

import pytest

from tasks.data.rows import PairRow
from tasks.data.tables import store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint, DatasetRef
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.loading import save_model
from tasks.reward.fitting import fit_reward
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.settings import RewardTraining

SHAPE = ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64)


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig(scratch=SHAPE)


@pytest.fixture
def budget() -> RewardTraining:
    return RewardTraining(learning_rate=3e-3, batch_size=8, epochs=5, warmup_steps=2, checkpoint_every_steps=3)


@pytest.fixture
def base(rlhf_home) -> Checkpoint:
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=0)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


def closing_pairs(split: str, count: int) -> DatasetRef:
    """Pairs whose preferred response closes with a wish, and the same without it."""
    answers = demonstrations(sample_prompts("instruct", split, count, seed=0), seed=0)
    rows = [
        PairRow(
            prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"],
            chosen=f"{row['response']} i hope this helps .", rejected=row["response"],
            chosen_gold=1.0, rejected_gold=0.25 * (number % 4),
        )
        for number, row in enumerate(answers)
    ]  # fmt: skip
    return store_rows(rows, f"closing-{split}")


@pytest.fixture
def pairs(rlhf_home) -> DatasetRef:
    return closing_pairs("train", 32)


@pytest.fixture
def held_out(rlhf_home) -> DatasetRef:
    return closing_pairs("val", 24)


@pytest.fixture
def fit(tmp_path, base, pairs, held_out, config, budget):
    """Fit a reward model in a work folder of its own; keyword arguments change what is fitted and how."""
    runs = []

    def fitted(seed: int = 0, objective=BradleyTerry(), **changes):
        runs.append(seed)
        given = {"start": base, "pairs": pairs, "held_out": held_out, "training": budget, "model": config} | changes
        folder = tmp_path / f"fit-{len(runs)}"
        with stage_tracker(folder / "run.jsonl", folder / "work"):
            return fit_reward(objective=objective, seed=seed, **given)

    return fitted
