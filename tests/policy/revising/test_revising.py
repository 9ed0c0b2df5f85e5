"""Revisions: light edits, both formats, six scores a pair in SRPO's order, the loop, self-revision, longer posts."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reinforced import reward_model

from tasks.data.rows import DemonstrationRow, PairRow
from tasks.data.tables import read_rows_of, read_scores, store_rows
from tasks.data.tiny_world import demonstrations, prompt_text, sample_prompts
from tasks.data.tiny_world.tldr import read_post
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.data.world import TinyWorld
from tasks.engine.refs import Checkpoint
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.generation import draw
from tasks.models.loading import save_model
from tasks.models.opening import open_frozen
from tasks.models.reference import score_rows
from tasks.models.sampling import InProcessSampler
from tasks.policy.objectives.srpo import SRPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.revising.demonstrating import demonstrate_choices, demonstrate_edits
from tasks.policy.revising.editing import edited
from tasks.policy.revising.longer_posts import draw_longer_posts
from tasks.policy.revising.measuring import measure_revisions
from tasks.policy.revising.sampling import revise
from tasks.policy.revising.scoring import read_revision_log_probs, score_revisions
from tasks.policy.revising.settings import EditPrior, RevisionFormat
from tasks.policy.revising.training import optimise_revisions
from tasks.policy.revising.turns import revision_prompt

SHAPE = ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64)
MODEL = ModelConfig(scratch=SHAPE)
FORMAT = RevisionFormat()
TRAINING = PreferenceTraining(batch_size=8, max_steps=12, epochs=4, learning_rate=3e-3, warmup_steps=0, snapshots=1)
TEXTS = st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join)


def answered(count: int) -> list[DemonstrationRow]:
    return demonstrations(sample_prompts("tldr", "train", count, seed=0), seed=0)


@pytest.fixture
def base(rlhf_home) -> Checkpoint:
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=0)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


@pytest.fixture
def pairs(rlhf_home):
    rows = answered(24)
    others = demonstrations(rows, seed=5)
    return store_rows(
        [
            PairRow(prompt_id=row["prompt_id"], prompt=row["prompt"], family=row["family"],
                    chosen=row["response"], rejected=other["response"] + " also")
            for row, other in zip(rows, others, strict=True)
        ],
        "pairs",
    )  # fmt: skip


def tracker(folder: Path, name: str):
    return stage_tracker(folder / f"{name}.jsonl", folder / name)


@given(TEXTS, TEXTS, st.integers(0, 4), st.integers(0, 100))
def test_edits_lead_from_the_draft_to_the_other_answer(draft, other, edits, seed):
    assert edited(draft, other, 0, random.Random(seed)) == draft
    assert edited(draft, other, 100, random.Random(seed)) == other
    assert edited(draft, other, edits, random.Random(seed)) == edited(draft, other, edits, random.Random(seed))


def test_one_edit_changes_one_place():
    found = {edited("a b c d", "a x c y", 1, random.Random(seed)) for seed in range(20)}
    assert found == {"a x c d", "a b c y"}


def test_answers_and_light_edits_are_demonstrated_half_and_half(rlhf_home):
    rows = answered(200)
    with tracker(rlhf_home, "edits"):
        mixed = read_rows_of(
            demonstrate_edits(store_rows(rows, "d"), FORMAT, EditPrior(most_edits=2), 0), DemonstrationRow
        )
    assert mixed[:200] == rows
    kept = 0
    for row, one in zip(rows, mixed[200:], strict=True):
        draft = one["prompt"][1]["content"]
        assert one["prompt"] == revision_prompt(row["prompt"], draft, FORMAT)
        assert one["prompt_id"] == row["prompt_id"]
        kept += one["response"] == draft
    assert 0.2 < kept / 200 < 0.5, "a third have no edit"
    logged = [event["values"] for event, _ in read_events(rlhf_home / "edits.jsonl") if event["event"] == "metrics"]
    assert logged == [{"data/unchanged_revisions": kept / 200}]


def test_of_real_pairs_the_chosen_response_revises_the_rejected_one(rlhf_home, pairs):
    rows = answered(5)
    with tracker(rlhf_home, "choices"):
        mixed = read_rows_of(demonstrate_choices(store_rows(rows, "d"), pairs, FORMAT), DemonstrationRow)
    first = read_rows_of(pairs, PairRow)[0]
    assert len(mixed) == 5 + 5, "half answers, half revisions"
    assert mixed[5]["response"] == first["chosen"]
    assert mixed[5]["prompt"] == revision_prompt(first["prompt"], first["rejected"], FORMAT)


def test_six_scores_a_pair_stand_in_the_order_of_the_objective(rlhf_home, base, pairs):
    with tracker(rlhf_home, "scoring"):
        found = read_revision_log_probs(score_revisions(base, pairs, FORMAT, MODEL))
    policy, tokenizer = open_frozen(base, MODEL)
    row = read_rows_of(pairs, PairRow)[3]
    won, lost = row["chosen"], row["rejected"]
    after = {draft: revision_prompt(row["prompt"], draft, FORMAT) for draft in (won, lost)}
    wanted = [
        (row["prompt"], won), (row["prompt"], lost), (after[lost], won), (after[lost], lost), (after[won], won),
        (after[won], lost),
    ]  # fmt: skip
    scores = score_rows(policy, tokenizer, [(prompt, [text]) for prompt, text in wanted])
    assert found[3] == pytest.approx([one for (one,) in scores], abs=1e-3)
    assert len(found) == 24


def test_the_loop_starts_at_the_objective_s_start_and_fits_both_roles(rlhf_home, base, pairs):
    with tracker(rlhf_home, "scoring"):
        reference = score_revisions(base, pairs, FORMAT, MODEL)
    with tracker(rlhf_home, "training"):
        series = optimise_revisions(base, pairs, reference, FORMAT, SRPO(), TRAINING, MODEL, 0)
    logged = [event["values"] for event, _ in read_events(rlhf_home / "training.jsonl") if event["event"] == "metrics"]
    steps = [one for one in logged if "train/loss" in one]
    assert series.steps == [12]
    assert steps[0]["train/loss"] == pytest.approx(0.375, abs=1e-5)
    assert steps[-1]["train/loss"] < 0.3
    assert steps[-1]["train/srpo/revision_margin"] > 0.05
    assert steps[-1]["train/srpo/generation_margin"] > 0.05


def test_revisions_follow_from_their_drafts(rlhf_home, base):
    rows, decoding = answered(6), Decoding(max_new_tokens=8)
    policy, tokenizer = open_frozen(base, MODEL)
    sampler = InProcessSampler(policy, tokenizer)
    rounds = list(revise(sampler, rows, decoding, FORMAT, 2, seed=3))
    assert rounds[0] == draw(sampler, list(rows), decoding, 1, 3)
    for earlier, later in ((rounds[0], rounds[1]), (rounds[1], rounds[2])):
        for row, draft, one in zip(rows, earlier, later, strict=True):
            assert one["prompt"] == revision_prompt(row["prompt"], draft["response"], FORMAT)
            assert one["prompt_id"] == row["prompt_id"]
    assert list(revise(sampler, rows, decoding, FORMAT, 2, seed=3)) == rounds
    assert rounds[1] != rounds[2]


def test_every_round_is_judged_as_an_answer_to_the_prompt(rlhf_home, base):
    prompts = store_rows(answered(5), "prompts")
    with tracker(rlhf_home, "measuring"):
        scores = read_scores(
            measure_revisions(base, prompts, Decoding(max_new_tokens=8), FORMAT, 2, [reward_model(base)], MODEL, 0)
        )
    assert set(scores["point"]) == {"N0", "N1", "N2"}
    by_point = {point: set(rows["metric"]) for point, rows in scores.groupby("point")}
    assert {"gold_reward", "proxy_reward", "response_tokens", "finished"} <= by_point["N0"]
    assert by_point["N1"] - by_point["N0"] == {"unchanged"}
    assert len(scores[(scores["point"] == "N2") & (scores["metric"] == "gold_reward")]) == 5


def test_longer_posts_have_more_trivia_and_the_same_best_answer(rlhf_home):
    rows = read_rows_of(draw_longer_posts(TinyWorld(evaluation_prompts=12), "eval"), DemonstrationRow)
    assert len({row["prompt_id"] for row in rows}) == 12
    for plain, longer in zip(sample_prompts("tldr", "eval", 12, seed=0), rows, strict=True):
        known, facts = read_post(prompt_text(plain)), read_post(prompt_text(longer))
        assert facts[: len(known)] == known
        assert {kind for _, kind in facts[len(known) :]} == {"trivia"}
        assert len(dict(facts)) == len(facts)
    with pytest.raises(UserError, match="out_of_distribution"):
        draw_longer_posts(TinyWorld(family="hh"), "eval")
