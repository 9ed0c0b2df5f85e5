"""Policies measured by the learned reward that they were trained on, beside gold reward and KL."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.data.rows import PairRow, PromptRow
from tasks.data.tables import read_rows_of, read_scores, store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.best_of_n import choose_best_by_reward
from tasks.evaluation.best_of_n_settings import BestOfNSweep, Selector
from tasks.evaluation.best_of_n_sweep import sweep_best_of_n
from tasks.evaluation.measuring import measure_samples, measure_series
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.response_metrics import encoded
from tasks.evaluation.rewarded import measure_rewarded_series, token_divergence
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow, sample_responses
from tasks.models.kl import k2, k3
from tasks.models.loading import save_model
from tasks.models.log_probs import response_log_probs
from tasks.models.opening import open_frozen
from tasks.reward.fitting import fit_reward
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.scoring import read_rewards, score_samples
from tasks.reward.settings import RewardTraining
from tasks.reward.sources import FittedReward

SHAPE = ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64, initializer_range=0.2)
MODEL = ModelConfig(scratch=SHAPE)
DECODING = Decoding(max_new_tokens=12)
ENSEMBLE = FittedReward(aggregate="mean")


def checkpoint(seed: int) -> Checkpoint:
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=seed)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


@pytest.fixture
def tracker(rlhf_home, tmp_path):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work") as opened:
        yield opened


@pytest.fixture
def prompts(tracker) -> DatasetRef:
    return store_rows(sample_prompts("instruct", "val", 12, seed=0), "evaluation")


@pytest.fixture
def fitted(tracker, tmp_path):
    rows = demonstrations(sample_prompts("instruct", "train", 16, seed=0), seed=0)
    pairs = store_rows(
        [
            PairRow(
                prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"],
                chosen=row["response"], rejected="red red",
            )
            for row in rows
        ],
        "pairs",
    )  # fmt: skip
    budget = RewardTraining(batch_size=8, epochs=1, warmup_steps=1)
    found = []
    for seed in range(2):
        with stage_tracker(tmp_path / f"fit{seed}.jsonl", tmp_path / f"fit{seed}"):
            found.append(fit_reward(checkpoint(0), pairs, pairs, BradleyTerry(), budget, MODEL, seed))
    return found


@pytest.fixture
def series(tracker) -> CheckpointSeries:
    return CheckpointSeries(steps=[5, 10], checkpoints=[checkpoint(1), checkpoint(2)])


def table(scores: pd.DataFrame, metric: str, point: str) -> pd.Series:
    chosen = scores[(scores["metric"] == metric) & (scores["point"] == point)]
    return chosen.set_index("prompt_id")["value"]


def test_a_run_is_measured_from_its_start_by_gold_kl_proxy_and_disagreement(tmp_path, series, prompts, fitted):
    reference = checkpoint(0)
    scores = read_scores(measure_rewarded_series(series, reference, prompts, DECODING, ENSEMBLE, fitted, MODEL, 0))
    assert list(dict.fromkeys(scores["point"])) == ["0%", "50%", ""]
    assert {
        "gold_reward", "kl", "kl_k2", "kl_k3", "token_kl", "response_tokens", "finished", "proxy_reward",
        "reward_variance", "distinct_2", "accuracy",
    } == set(scores["metric"])  # fmt: skip
    assert (scores.groupby(["point", "metric"]).size() == 12).all()
    assert np.isfinite(scores["value"]).all()
    assert table(scores, "kl_k2", "0%").abs().max() < 1e-6
    assert table(scores, "token_kl", "").mean() > 0.1
    plain = read_scores(measure_series(series, reference, prompts, DECODING, MODEL, 0))
    for metric in ("gold_reward", "kl", "response_tokens"):
        assert table(scores, metric, "").to_dict() == table(plain, metric, "").to_dict()
    logged = [event["values"] for event, _ in read_events(tmp_path / "run.jsonl") if event["event"] == "metrics"]
    assert any("eval/proxy_reward" in values for values in logged)
    assert all(find_metric(name) for values in logged for name in values)


def test_the_proxy_is_the_reward_functions_own(series, prompts, fitted):
    final = measure_rewarded_series(series.final, checkpoint(0), prompts, DECODING, ENSEMBLE, fitted, MODEL, 3)
    scores = read_scores(final)
    assert list(scores["point"].unique()) == [""]
    samples = sample_responses(series.final, prompts, DECODING, 1, MODEL, 3)
    rewards = read_rewards(score_samples(samples, ENSEMBLE, fitted, MODEL)).set_index("prompt_id")
    found = table(scores, "proxy_reward", "")
    assert found.to_dict() == pytest.approx(rewards["reward"].to_dict(), abs=1e-5)
    assert table(scores, "reward_variance", "").to_dict() == pytest.approx(rewards["variance"].to_dict(), abs=1e-5)
    finished = {row["prompt_id"]: float(row["finished"]) for row in read_rows_of(samples, SampleRow)}
    assert table(scores, "finished", "").to_dict() == finished


def test_a_policy_decoded_otherwise_than_trained_has_no_kl(series, prompts, fitted):
    cold = DECODING.model_copy(update={"temperature": 0.5})
    scores = read_scores(
        measure_rewarded_series(series.final, checkpoint(0), prompts, cold, FittedReward(), fitted[:1], MODEL, 0)
    )
    assert {"proxy_reward", "gold_reward"} <= set(scores["metric"])
    assert not {"kl", "kl_k2", "kl_k3", "token_kl", "reward_variance"} & set(scores["metric"])


def test_sampled_divergence_is_that_of_single_tokens_in_any_batch(series, prompts):
    rows = read_rows_of(sample_responses(series.final, prompts, DECODING, 1, MODEL, 0), SampleRow)
    policy, tokenizer = open_frozen(series.final, MODEL)
    reference, _ = open_frozen(checkpoint(0), MODEL)
    groups = encoded(tokenizer, rows)
    found = token_divergence(policy, reference, groups, max_tokens=64)
    with torch.no_grad():
        slow = [
            (response_log_probs(policy, [one]).values - response_log_probs(reference, [one]).values)[0]
            for one in groups
        ]
    assert found["kl_k2"] == pytest.approx([float(k2(ratio).sum()) for ratio in slow], rel=1e-4)
    assert found["kl_k3"] == pytest.approx([float(k3(ratio).sum()) for ratio in slow], rel=1e-4)


def test_sums_over_the_tokens_of_the_card():
    ratio = np.array([0.3, -0.2, 0.05, 0.0])
    assert float(np.sum(k2(ratio))) == pytest.approx(0.066250, abs=1e-6)
    assert float(np.sum(k3(ratio))) == pytest.approx(0.063450, abs=1e-6)


def test_best_of_n_by_a_fitted_reward_keeps_the_best_and_agrees_with_the_sweep(prompts, fitted):
    samples = sample_responses(checkpoint(0), prompts, DECODING, 4, MODEL, 0)
    chosen = choose_best_by_reward(samples, ENSEMBLE, fitted, MODEL)
    rewards_ref = score_samples(samples, ENSEMBLE, fitted, MODEL)
    rewards = read_rewards(rewards_ref).set_index(["prompt_id", "sample"])["reward"]
    kept = {row["prompt_id"]: row["sample"] for row in read_rows_of(chosen, SampleRow)}
    assert list(kept) == [row["prompt_id"] for row in read_rows_of(prompts, PromptRow)]
    for prompt_id, sample in kept.items():
        assert rewards[prompt_id, sample] == rewards[prompt_id].max()
    swept = read_scores(sweep_best_of_n(samples, [rewards_ref], Selector(kind="mean"), BestOfNSweep(counts=[1, 4])))
    gold = table(read_scores(measure_samples(chosen)), "gold_reward", "").to_dict()
    unique = [name for name in kept if (rewards[name] == rewards[name].max()).sum() == 1]
    curve = table(swept, "gold_reward", "n4").to_dict()
    assert {name: curve[name] for name in unique} == pytest.approx({name: gold[name] for name in unique})
    assert math.isclose(table(swept, "best_of_n_kl", "n4").iloc[0], math.log(4) - 0.75)
