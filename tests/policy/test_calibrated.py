"""Pairs with calibration responses: alpha 0 is DPO, the sign pulls or pushes, mismatched samples are refused."""

from pathlib import Path

import pytest
import torch
from reinforced import MODEL, answered_prompts, base_policy
from safetensors.torch import load_file

from tasks.data.rows import PairRow
from tasks.data.tables import read_scores, store_rows
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, Samples
from tasks.engine.schema import UserError
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.reference_samples import measure_reference_samples
from tasks.models.decoding import Decoding
from tasks.models.generation import sample_responses
from tasks.models.scoring import score_pairs
from tasks.policy.calibrated import optimise_on_calibrated_pairs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.vpo import VPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.preference import optimise_preferences

TRAINING = PreferenceTraining(batch_size=8, epochs=2, learning_rate=3e-3, warmup_steps=0, snapshots=1)


class Pairs:
    """An untrained policy, pairs and samples of it; every run in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.runs = folder, 0
        self.base: Checkpoint = base_policy()
        rows = answered_prompts(24, "hh")
        pairs = [
            PairRow(
                prompt_id=row["prompt_id"],
                prompt=row["prompt"],
                family=row["family"],
                chosen=row["response"],
                rejected=rows[place - 1]["response"] + " please",
            )
            for place, row in enumerate(rows)
        ]
        self.pairs: DatasetRef = store_rows(pairs, "pairs")
        with self.tracker():
            self.reference = score_pairs(self.base, self.pairs, MODEL)
        self.samples = self.sample(self.pairs)

    def tracker(self):
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        return stage_tracker(folder / "run.jsonl", folder / "work")

    def sample(self, prompts: DatasetRef) -> Samples:
        with self.tracker():
            return sample_responses(self.base, prompts, Decoding(max_new_tokens=6), 1, MODEL, 7)

    def train(self, objective: VPO, samples: Samples | None = None) -> CheckpointSeries:
        with self.tracker():
            return optimise_on_calibrated_pairs(
                self.base, self.pairs, self.reference, samples or self.samples, objective, TRAINING, MODEL, 0
            )

    def fall(self, series: CheckpointSeries) -> float:
        """Mean log-ratio of the samples that were calibrated by."""
        with self.tracker():
            scores = read_scores(measure_reference_samples(series, self.samples, MODEL))
        assert set(scores["metric"]) == {"calibration_log_ratio"}
        return float(scores["value"].mean())


@pytest.fixture
def bench(rlhf_home) -> Pairs:
    return Pairs(rlhf_home / "calibrated")


def weights(series: CheckpointSeries) -> dict[str, torch.Tensor]:
    return load_file(Store().open(series.final) / "model.safetensors")


def test_without_its_value_term_vpo_is_dpo_on_the_same_batches(bench):
    free = weights(bench.train(VPO(alpha=0.0, sign="pessimistic")))
    with bench.tracker():
        plain = weights(optimise_preferences(bench.base, bench.pairs, bench.reference, DPO(), TRAINING, MODEL, 0))
    start = load_file(Store().open(bench.base) / "model.safetensors")
    moved = max(float((plain[name] - start[name]).abs().max()) for name in plain)
    apart = max(float((plain[name] - free[name]).abs().max()) for name in plain)
    assert moved > 1e-3
    assert apart < moved / 50.0


def test_pessimism_keeps_the_samples_likelier_than_dpo_and_optimism_makes_them_less_likely(bench):
    falls = {
        name: bench.fall(bench.train(VPO(alpha=alpha, sign=sign)))
        for name, (alpha, sign) in {
            "pessimistic": (3.0, "pessimistic"), "dpo": (0.0, "pessimistic"), "optimistic": (3.0, "optimistic")
        }.items()
    }  # fmt: skip
    assert falls["optimistic"] < falls["dpo"] - 0.5
    assert falls["pessimistic"] > falls["dpo"] + 0.5


def test_samples_of_other_prompts_are_refused(bench):
    other = bench.sample(store_rows(answered_prompts(24, "gsm"), "other"))
    with pytest.raises(UserError, match="not one a pair"):
        bench.train(VPO(sign="pessimistic"), other)
