"""Noise of gradient estimators: covariance against numpy, the same samples for all, groups that cannot be made."""

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.data.rows import PromptRow
from tasks.data.tables import read_scores, store_rows
from tasks.data.tiny_world import sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint, Samples
from tasks.engine.schema import UserError
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.gradient_noise import measure_gradient_noise, spread
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.generation import sample_responses
from tasks.models.loading import save_model
from tasks.policy.objectives.brain import BRAIn
from tasks.reward.scoring import score_samples
from tasks.reward.sources import NoisyGoldReward

SHAPE = ScratchModel(hidden_size=16, layers=1, heads=2, intermediate_size=32)
MODEL = ModelConfig(scratch=SHAPE)


def policy(seed: int) -> Checkpoint:
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=seed)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


@pytest.fixture
def drawn(rlhf_home):
    """A proposal's samples with their rewards, and how to measure an objective on them at other weights."""
    base, other = policy(0), policy(1)
    prompts = store_rows(list[PromptRow](sample_prompts("hh", "train", 3, seed=0)), "prompts")
    with stage_tracker(rlhf_home / "drawing.jsonl", rlhf_home / "drawing"):
        samples = sample_responses(base, prompts, Decoding(max_new_tokens=6), 32, MODEL, 0)
        rewards = score_samples(samples, NoisyGoldReward(shape="homoscedastic"), [], MODEL)

    def measure(objective: BRAIn, size: int = 4, weights: Checkpoint = other) -> pd.DataFrame:
        with stage_tracker(rlhf_home / "run.jsonl", rlhf_home / "work"):
            found = measure_gradient_noise(weights, base, samples, rewards, objective, size, MODEL, 0)
        return read_scores(found).pivot(index="prompt_id", columns="metric", values="value")

    return measure, samples


def test_spread_is_the_trace_of_the_covariance_and_the_length_of_the_mean():
    rows = np.random.default_rng(0).normal(size=(7, 5)) + 3.0
    variance, norm = spread(torch.from_numpy(row) for row in rows)
    assert variance == pytest.approx(np.cov(rows.T).trace())
    assert norm == pytest.approx(np.linalg.norm(rows.mean(axis=0)))


def test_a_baseline_that_is_normalised_takes_variance_out_of_the_gradient(drawn):
    measure, samples = drawn
    assert isinstance(samples, Samples)
    brain, none = measure(BRAIn(reward_temperature=2.0)), measure(BRAIn(reward_temperature=2.0, estimator="dpg"))
    assert list(brain.index) == ["prompt-000000", "prompt-000001", "prompt-000002"], "the same in every seed"
    assert (brain["gradient_variance"] > 0.0).all()
    assert (brain["gradient_variance"] < none["gradient_variance"]).all()
    assert brain["log_gradient_variance"].tolist() == pytest.approx(np.log(brain["gradient_variance"]).tolist())


def test_without_rewards_and_at_the_proposal_s_weights_there_is_nothing_to_learn(drawn, rlhf_home):
    measure, _ = drawn
    flat = measure(BRAIn(reward_temperature=1e4), weights=policy(0))
    assert flat["gradient_norm"].max() < 1e-3
    assert flat["gradient_variance"].max() < 1e-3


def test_groups_that_cannot_be_made_are_refused(drawn):
    measure, _ = drawn
    with pytest.raises(UserError, match="make no two groups of 20"):
        measure(BRAIn(), size=20)
