"""Offline corpora: writers of known quality, sides of pairs, halves of pairs, prompts left for validation."""

import pytest
from pydantic import ValidationError

from tasks.data.mixed_quality import CorpusRow, QualityMixture, mix_qualities
from tasks.data.offline_corpus import take_side, take_validation, write_corpus
from tasks.data.pair_halves import take_half
from tasks.data.rows import PairRow, PromptRow, user_prompt
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import FAMILIES, sample_prompts, score
from tasks.engine.schema import UserError

CLEAN, NOISY = QualityMixture(), QualityMixture(good=0.15, bad=0.6)


def mean_gold(rows: list[CorpusRow]) -> float:
    golds = score(rows, [row["response"] for row in rows], [True] * len(rows))
    return sum(gold.reward for gold in golds) / len(golds)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_shares_are_those_asked_for_and_quality_is_what_it_says(family):
    prompts = sample_prompts(family, "train", 300, seed=0)
    clean = mix_qualities(prompts, CLEAN, 2, seed=0)
    assert [row["number"] for row in clean[:4]] == [0, 1, 0, 1]
    shares = {quality: sum(row["quality"] == quality for row in clean) / 600 for quality in ("good", "bad")}
    assert shares == pytest.approx({"good": 0.6, "bad": 0.2}, abs=0.07)
    by_quality = {
        quality: mean_gold([row for row in clean if row["quality"] == quality])
        for quality in ("good", "ordinary", "bad")
    }
    assert by_quality["good"] > by_quality["ordinary"] > by_quality["bad"]
    assert mean_gold(clean) > mean_gold(mix_qualities(prompts, NOISY, 2, seed=0))


def test_mixtures_under_one_seed_differ_only_where_the_writer_does():
    prompts = sample_prompts("tldr", "train", 100, seed=0)
    clean, noisy = (mix_qualities(prompts, mixture, 2, seed=3) for mixture in (CLEAN, NOISY))
    assert clean == mix_qualities(list(prompts), CLEAN, 2, seed=3)
    same = [(one, other) for one, other in zip(clean, noisy, strict=True) if one["quality"] == other["quality"]]
    assert len(same) > 50
    assert all(one == other for one, other in same)
    assert mix_qualities(prompts[50:], CLEAN, 2, seed=3) == clean[100:]


def test_shares_above_the_whole_and_foreign_prompts_are_refused():
    with pytest.raises(ValidationError, match=r"good 0\.6 and bad 0\.5 are more than the whole"):
        QualityMixture(good=0.6, bad=0.5)
    foreign = PromptRow(prompt_id="1", prompt=user_prompt("hello"), family="poems")
    with pytest.raises(UserError, match="prompt 1: writers of known quality exist in the tiny world alone"):
        mix_qualities([foreign], CLEAN, 1, seed=0)


def pairs(count: int = 40) -> list[PairRow]:
    return [
        PairRow(prompt_id=f"p{index}", prompt=user_prompt(f"{index}"), family="x", chosen="yes .", rejected="no .")
        for index in range(count)
    ]


@pytest.mark.usefixtures("rlhf_home")
def test_a_side_of_real_pairs_leaves_answers_out_that_break_off():
    rows = pairs(3)
    rows[1]["chosen"] = "here is a list :"
    stored = store_rows(rows, "pairs")
    kept = read_rows_of(take_side(stored, "chosen"), CorpusRow)
    assert [(row["prompt_id"], row["response"], row["quality"]) for row in kept] == [
        ("p0", "yes .", "good"),
        ("p2", "yes .", "good"),
    ]
    assert len(read_rows_of(take_side(stored, "rejected"), CorpusRow)) == 3
    broken = store_rows([row | {"chosen": "so :"} for row in rows], "pairs")
    with pytest.raises(UserError, match="every chosen response ends in ':'"):
        take_side(broken, "chosen")


@pytest.mark.usefixtures("rlhf_home")
def test_no_prompt_is_in_both_halves_and_they_make_the_whole():
    rows = pairs()
    stored = store_rows([*rows, *rows[:10]], "pairs")
    halves = [read_rows_of(take_half(stored, half), PairRow) for half in ("train", "test")]
    train, test = ({row["prompt_id"] for row in half} for half in halves)
    assert not train & test
    assert len(train | test) == 40
    assert len(halves[0]) + len(halves[1]) == 50
    assert min(len(train), len(test)) >= 10
    with pytest.raises(UserError, match="of 1 pairs is empty"):
        [take_half(store_rows(rows[:1], "pairs"), half) for half in ("train", "test")]


@pytest.mark.usefixtures("rlhf_home")
def test_validation_prompts_are_evaluated_on_by_no_arm():
    rows = pairs(6)
    held_out = store_rows([*rows, rows[5]], "held-out")
    left = read_rows_of(take_validation(held_out, store_rows(rows[:4], "evaluation")), PromptRow)
    assert [row["prompt_id"] for row in left] == ["p4", "p5"]
    with pytest.raises(UserError, match=r"none is left for validation; lower world\.evaluation_prompts"):
        take_validation(held_out, held_out)


@pytest.mark.usefixtures("rlhf_home")
def test_a_corpus_is_stored_with_its_writers():
    prompts = store_rows(sample_prompts("tldr", "train", 5, seed=0), "prompts")
    stored = write_corpus(prompts, CLEAN, 2, seed=0)
    assert (stored.rows, stored.name) == (10, "mixed-quality-corpus")
