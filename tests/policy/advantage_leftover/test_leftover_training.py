"""Value, advantages, training and choice of a checkpoint on a tiny policy."""

from pathlib import Path
from statistics import median

import pytest
import torch
from reinforced import MODEL, base_policy, iterations_logged

from tasks.data.mixed_quality import QualityMixture
from tasks.data.offline_corpus import write_corpus
from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import sample_prompts
from tasks.engine.refs import DatasetRef, Samples
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.metrics import find_metric
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow, sample_responses
from tasks.models.opening import open_frozen
from tasks.models.reference import score_rows
from tasks.policy.advantage_leftover.advantages import RewardedRow, estimate_advantages, pair_by_reward
from tasks.policy.advantage_leftover.choosing import choose_on_validation
from tasks.policy.advantage_leftover.settings import LeftoverTraining, ValueFitting
from tasks.policy.advantage_leftover.training import optimise_leftover
from tasks.policy.advantage_leftover.value import encoded, fit_value, new_head, open_value, prompt_states, values_of
from tasks.policy.advantage_leftover.value_head import AttentionValueHead
from tasks.policy.objectives.a_lol import ALoL, KLALoL, ReferenceFreeALoL, TokenALoL
from tasks.policy.objectives.reward_weighted import ResponseLikelihood, RewardGOLD, RLoL, WeightedBehaviourCloning
from tasks.reward.bounded import RangeReward, open_bounded
from tasks.reward.judged import Judged

REWARD = RangeReward(lowest=-4.0, highest=4.0)
DECODING = Decoding(max_new_tokens=10)
BUDGET = LeftoverTraining(learning_rate=3e-3, batch_size=8, max_steps=12, warmup_steps=1, snapshots=2)
ALL = [
    ALoL(), ReferenceFreeALoL(), TokenALoL(), KLALoL(), RLoL(), WeightedBehaviourCloning(), RewardGOLD(),
    ResponseLikelihood(),
]  # fmt: skip


@pytest.fixture
def tracked(rlhf_home, tmp_path):
    with stage_tracker(tmp_path / "stage.jsonl", tmp_path / "stage"):
        yield tmp_path


@pytest.fixture
def base(tracked):
    return base_policy()


@pytest.fixture
def prompts(tracked) -> DatasetRef:
    return store_rows(sample_prompts("hh", "val", 24, seed=0), "validation")


@pytest.fixture
def samples(base, prompts) -> Samples:
    return sample_responses(base, prompts, Decoding(temperature=0.0, max_new_tokens=10), 1, MODEL, seed=0)


@pytest.fixture
def rewarded(base, samples) -> DatasetRef:
    value = fit_value(base, samples, REWARD, [], ValueFitting(epochs=2, batch_size=8), MODEL, seed=0)
    corpus = write_corpus(store_rows(sample_prompts("hh", "train", 24, seed=0), "prompts"), QualityMixture(), 2, seed=0)
    return estimate_advantages(base, value, corpus, REWARD, [], MODEL)


@pytest.fixture
def halved(rewarded) -> DatasetRef:
    """The same with values at the median reward, as a policy that has learned something has: half is left over."""
    rows = read_rows_of(rewarded, RewardedRow)
    middle = median(row["reward"] for row in rows)
    return store_rows([row | {"value": middle, "advantage": row["reward"] - middle} for row in rows], "halved")


def test_the_value_head_ignores_padding_and_stays_in_its_range(base, samples):
    frozen, tokenizer = open_frozen(base, MODEL)
    head = new_head(frozen, ValueFitting(), seed=0)
    ids = encoded(tokenizer, list(read_rows_of(samples, RewardedRow)))[:6]
    together = values_of(head, frozen, ids)
    alone = torch.cat([values_of(head, frozen, [one]) for one in ids])
    assert torch.allclose(together, alone, atol=1e-5)
    assert ((together > 0.0) & (together < 1.0)).all()
    hidden, mask = prompt_states(frozen, ids)
    assert hidden.shape[:2] == mask.shape
    assert mask.sum(-1).tolist() == [len(one) for one in ids]


def test_dropout_is_off_when_values_are_read(base, samples):
    frozen, tokenizer = open_frozen(base, MODEL)
    head = new_head(frozen, ValueFitting(dropout=0.9), seed=0).train()
    ids = encoded(tokenizer, read_rows_of(samples, RewardedRow))[:4]
    assert torch.equal(values_of(head, frozen, ids), values_of(head, frozen, ids))
    hidden, mask = prompt_states(frozen, ids)
    head.train()
    assert not torch.equal(head(hidden, mask), head(hidden, mask))


def test_heads_must_divide_the_width():
    with pytest.raises(UserError, match=r"value\.heads 5 do not divide the policy's width 32"):
        AttentionValueHead(32, 5, 0.1, seed=0)


def test_the_value_learns_what_a_prompt_promises(base, prompts, tracked):
    """The error falls; the best epoch is kept and comes back from the store."""
    rows = read_rows_of(prompts, RewardedRow)
    samples = sample_responses(base, prompts, Decoding(temperature=0.0, max_new_tokens=10), 1, MODEL, seed=0)
    settings = ValueFitting(epochs=60, batch_size=8, learning_rate=1e-2, dropout=0.0)
    value = fit_value(base, samples, REWARD, [], settings, MODEL, seed=0)
    logged = [event["values"] for event, _ in read_events(tracked / "stage.jsonl") if event["event"] == "metrics"]
    losses = [values["train/value_loss"] for values in logged if "train/value_loss" in values]
    assert min(losses) < 0.2 * losses[0]
    frozen, tokenizer = open_frozen(base, MODEL)
    found = values_of(open_value(value, frozen), frozen, encoded(tokenizer, rows))
    answers = read_rows_of(samples, SampleRow)
    rewards = open_bounded(REWARD, [], MODEL)([Judged(row, row["response"], row["finished"]) for row in answers])
    assert (found - torch.tensor(rewards)).square().mean().item() == pytest.approx(min(losses), rel=1e-3, abs=1e-7)
    again = fit_value(base, samples, REWARD, [], settings, MODEL, seed=0)
    assert again.digest == value.digest


def test_advantages_are_reward_less_value_and_pairs_follow_the_reward(rewarded):
    rows = read_rows_of(rewarded, RewardedRow)
    assert all(row["advantage"] == pytest.approx(row["reward"] - row["value"], abs=1e-6) for row in rows)
    assert all(0.0 <= row["reward"] <= 1.0 for row in rows)
    assert len({round(row["value"], 6) for row in rows}) == 24
    worth = {(row["prompt_id"], row["response"]): row["reward"] for row in rows}
    pairs = read_rows_of(pair_by_reward(rewarded), PairRow)
    assert pairs
    assert all(worth[pair["prompt_id"], pair["chosen"]] > worth[pair["prompt_id"], pair["rejected"]] for pair in pairs)
    tied = store_rows([row | {"reward": 0.5} for row in rows], "tied")
    with pytest.raises(UserError, match="24 prompts have responses of one reward alone"):
        pair_by_reward(tied)


def train_on(corpus, base, objective, folder: Path, sampling="priority", budget=BUDGET):
    with stage_tracker(folder / "run.jsonl", folder / "work"):
        return optimise_leftover(base, corpus, objective, sampling, budget, MODEL, seed=0)


@pytest.mark.parametrize("objective", ALL, ids=lambda one: type(one).__name__)
def test_every_objective_trains_and_logs_what_is_known(tmp_path, base, halved, objective):
    series = train_on(halved, base, objective, tmp_path / "run")
    logged = [event for event, _ in read_events(tmp_path / "run/run.jsonl") if event["event"] == "metrics"]
    assert {name for event in logged for name in event["values"] if not find_metric(name)} == set()
    steps = max(event["step"] for event in logged)
    assert series.steps[-1] == steps
    assert (steps < 12) == (objective.weight == "advantage"), "only arms that drop responses take fewer steps"
    assert series.final.digest != base.digest


def test_likelihood_moves_to_what_is_left_over(tmp_path, base, halved):
    budget = BUDGET.model_copy(update={"max_steps": 60, "scale_steps": False})
    series = train_on(halved, base, ReferenceFreeALoL(), tmp_path / "run", budget=budget)
    rows = read_rows_of(halved, RewardedRow)
    policy, tokenizer = open_frozen(series.final, MODEL)
    start, _ = open_frozen(base, MODEL)
    wanted = [(row["prompt"], [row["response"]]) for row in rows if row["advantage"] > 0.05]
    gained = [
        after[0] - before[0]
        for after, before in zip(
            score_rows(policy, tokenizer, wanted), score_rows(start, tokenizer, wanted), strict=True
        )
    ]
    assert sum(gained) / len(gained) > 5.0


def test_micro_batches_and_the_same_seed_give_the_same_policy(tmp_path, base, halved):
    whole = train_on(halved, base, TokenALoL(), tmp_path / "a")
    again = train_on(halved, base, TokenALoL(), tmp_path / "b")
    assert whole.final.digest == again.final.digest
    split = BUDGET.model_copy(update={"micro_batch_size": 3})
    parts = train_on(halved, base, TokenALoL(), tmp_path / "c", budget=split)
    texts = [(row["prompt"], [row["response"]]) for row in read_rows_of(halved, RewardedRow)]
    scores = [score_rows(*open_frozen(series.final, MODEL), texts) for series in (whole, parts)]
    assert torch.allclose(torch.tensor(scores[0]), torch.tensor(scores[1]), atol=2e-2)


def test_the_checkpoint_of_highest_validation_reward_is_chosen(tmp_path, base, halved, prompts):
    series = train_on(halved, base, ALoL(), tmp_path / "run")
    with stage_tracker(tmp_path / "choice.jsonl", tmp_path / "choice"):
        chosen = choose_on_validation(series, prompts, DECODING, REWARD, [], MODEL, seed=0)
    events = [event for event, _ in read_events(tmp_path / "choice.jsonl") if event["event"] == "metrics"]
    means = [event["values"]["validation/bounded_reward"] for event in events[:-1]]
    assert chosen == series.checkpoints[means.index(max(means))]
    assert not iterations_logged(tmp_path / "choice.jsonl")
