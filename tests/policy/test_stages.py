"""SFT and preference optimisation on a tiny model: they learn what their objective says."""

import pytest
import torch

from tasks.data.rows import DemonstrationRow, PairRow, user_prompt
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint
from tasks.engine.schema import Frozen
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.loading import save_model
from tasks.models.opening import open_frozen
from tasks.models.reference import score_rows
from tasks.models.scoring import read_log_probs, score_pairs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.preference import optimise_preferences
from tasks.policy.supervised import finetune_preferred, finetune_supervised

SHAPE = ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64)
MODEL = ModelConfig(scratch=SHAPE)
BUDGET = PreferenceTraining(learning_rate=3e-3, batch_size=8, epochs=10, warmup_steps=2, snapshots=2)


@pytest.fixture
def base(rlhf_home) -> Checkpoint:
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=0)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


@pytest.fixture
def pairs(rlhf_home):
    prompts = sample_prompts("instruct", "train", 32, seed=0)
    answers = demonstrations(prompts, seed=0)
    rows = [
        PairRow(
            prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"],
            chosen=f"{row['response']} i hope this helps .", rejected=row["response"],
        )
        for row in answers
    ]  # fmt: skip
    return store_rows(rows, "pairs")


def accuracy(policy: Checkpoint, pairs, reference) -> float:
    model, tokenizer = open_frozen(policy, MODEL)
    rows = read_rows_of(pairs, PairRow)
    scores = torch.tensor(score_rows(model, tokenizer, [(r["prompt"], [r["chosen"], r["rejected"]]) for r in rows]))
    ratios = scores - torch.tensor(read_log_probs(reference))
    return float((ratios[:, 0] > ratios[:, 1]).float().mean())


@pytest.mark.parametrize(
    "objective", [DPO(beta=0.1), IPO(tau=0.1), SLiCHinge(beta=0.1)], ids=lambda o: type(o).__name__
)
def test_a_preference_objective_learns_to_prefer(tmp_path, base, pairs, objective: Frozen):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        reference = score_pairs(base, pairs, MODEL)
        series = optimise_preferences(base, pairs, reference, objective, BUDGET, MODEL, seed=0)
    assert series.steps == [20, 40]
    assert accuracy(series.final, pairs, reference) > 0.9


def test_dpo_starts_at_log_two(tmp_path, base, pairs):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        reference = score_pairs(base, pairs, MODEL)
        optimise_preferences(base, pairs, reference, DPO(), BUDGET, MODEL, seed=0)
    losses = {
        event["step"]: event["values"]["train/loss"]
        for event, _ in read_events(tmp_path / "run.jsonl")
        if event["event"] == "metrics" and "train/loss" in event["values"]
    }
    assert losses[1] == pytest.approx(0.693147, abs=1e-5)
    assert losses[40] < 0.3


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, base, pairs):
    with stage_tracker(tmp_path / "a.jsonl", tmp_path / "a"):
        reference = score_pairs(base, pairs, MODEL)
        first = optimise_preferences(base, pairs, reference, DPO(), BUDGET, MODEL, seed=0)
    with stage_tracker(tmp_path / "b.jsonl", tmp_path / "b"):
        again = optimise_preferences(base, pairs, reference, DPO(), BUDGET, MODEL, seed=0)
    with stage_tracker(tmp_path / "c.jsonl", tmp_path / "c"):
        other = optimise_preferences(base, pairs, reference, DPO(), BUDGET, MODEL, seed=1)
    assert first.final.digest == again.final.digest != other.final.digest


def test_supervised_fine_tuning_makes_the_demonstrations_likelier(tmp_path, base):
    rows = [
        DemonstrationRow(prompt_id=str(i), prompt=user_prompt("list 2 colors ."), family="x", response="red , blue .")
        for i in range(16)
    ]
    data = store_rows(rows, "demonstrations")
    budget = SupervisedTraining(learning_rate=1e-2, batch_size=8, epochs=15, warmup_steps=1)
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        tuned = finetune_supervised(base, data, budget, MODEL, seed=0)

    def likelihood(policy: Checkpoint) -> float:
        model, tokenizer = open_frozen(policy, MODEL)
        return score_rows(model, tokenizer, [(rows[0]["prompt"], [rows[0]["response"]])])[0][0]

    assert likelihood(base) < -15
    assert likelihood(tuned) > -2


def test_preferred_fine_tuning_sees_the_chosen_responses_only(tmp_path, base, pairs):
    budget = SupervisedTraining(learning_rate=1e-2, batch_size=8, epochs=10, warmup_steps=1, snapshots=2)
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        series = finetune_preferred(base, pairs, budget, MODEL, seed=0)
    model, tokenizer = open_frozen(series.final, MODEL)
    row = read_rows_of(pairs, PairRow)[0]
    ((chosen, rejected),) = score_rows(model, tokenizer, [(row["prompt"], [row["chosen"], row["rejected"]])])
    ((before, before_rejected),) = score_rows(
        *open_frozen(base, MODEL), [(row["prompt"], [row["chosen"], row["rejected"]])]
    )
    assert chosen - before > rejected - before_rejected
