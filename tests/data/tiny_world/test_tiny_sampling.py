"""Prompts: unique, split by their text, the same in every process; demonstrations and scores of rows."""

import os
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world import (
    FAMILIES,
    demonstrations,
    prompt_text,
    sample_prompts,
    score,
    split_of,
)
from tasks.engine.schema import UserError

FAMILY_NAMES = sorted(FAMILIES)
FINGERPRINT = """
from hashlib import sha256
from tasks.data.tiny_world import FAMILIES, demonstrations, sample_prompts
from tasks.data.tiny_world.pretraining import curriculum
from tasks.data.tiny_world.vocabulary import words
rows = [demonstrations(sample_prompts(name, "val", 30, 3), 4) for name in FAMILIES]
print(sha256(repr((rows, words(), curriculum(200, 5))).encode()).hexdigest())
"""


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_splits_are_large_enough_unique_and_disjoint(name):
    rows = {split: sample_prompts(name, split, n, 0) for split, n in {"train": 4000, "val": 300, "eval": 300}.items()}
    texts = {split: {prompt_text(row) for row in rows[split]} for split in rows}
    assert {split: len(texts[split]) for split in texts} == {"train": 4000, "val": 300, "eval": 300}
    assert all(split_of(text) == split for split in texts for text in texts[split])
    ids = [row["prompt_id"] for split in rows for row in rows[split]]
    assert len(set(ids)) == len(ids)
    assert {len(prompt_id) for prompt_id in ids} == {16}
    assert all(row["family"] == name and row["prompt"][0]["role"] == "user" for row in rows["eval"])


@given(st.sampled_from(FAMILY_NAMES), st.integers(0, 40), st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_fewer_prompts_are_a_prefix_of_more(name, n, seed):
    assert sample_prompts(name, "train", n, seed) == sample_prompts(name, "train", n + 5, seed)[:n]


def test_the_text_s_checksum_decides_the_split():
    buckets = {prompt: zlib.crc32(prompt.encode()) % 20 for prompt in map(str, range(400))}
    assert {bucket: split_of(prompt) for prompt, bucket in buckets.items()} == (
        {0: "eval", 1: "val"} | dict.fromkeys(range(2, 20), "train")
    )
    assert all(split_of(prompt) == "train" for prompt, bucket in buckets.items() if bucket > 1)


def test_seeds_differ():
    assert sample_prompts("gsm", "train", 50, 0) != sample_prompts("gsm", "train", 50, 1)


def test_an_exhausted_family_says_how_many_there_are():
    with pytest.raises(UserError, match=r"'hh' has only \d+ of 5000 unique prompts in split 'eval'") as error:
        sample_prompts("hh", "eval", 5000, 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "split"), [("poetry", "train"), ("gsm", "test")])
def test_unknown_names_are_refused_with_the_choices(name, split):
    with pytest.raises(UserError, match=r"choose one of (tldr, hh|train, val)"):
        sample_prompts(name, split, 1, 0)


def test_prompts_and_demonstrations_are_the_same_in_every_process():
    seen = set()
    for hash_seed in ("0", "1234"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = [sys.executable, "-c", FINGERPRINT]
        seen.add(subprocess.run(run, env=environment, capture_output=True, check=True, text=True).stdout)
    assert len(seen) == 1
    assert len(seen.pop().strip()) == 64


def test_a_demonstration_does_not_depend_on_the_other_rows():
    prompts = [row for name in FAMILY_NAMES for row in sample_prompts(name, "train", 20, 0)]
    rows = demonstrations(prompts, 7)
    assert demonstrations(prompts[::-1], 7) == rows[::-1]
    assert [row["prompt_id"] for row in rows] == [row["prompt_id"] for row in prompts]
    assert demonstrations(prompts, 8) != rows


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_ten_thousand_new_answers_are_scored_within_two_seconds(name):
    prompts = sample_prompts(name, "train", 10_000, 11)
    responses = [row["response"] for row in demonstrations(prompts, 11)]
    started = time.process_time()
    golds = score(prompts, responses, [True] * len(prompts))
    assert time.process_time() - started < 2
    assert len(golds) == 10_000


def test_score_wants_one_answer_a_prompt():
    with pytest.raises(ValueError, match="shorter"):
        score(sample_prompts("gsm", "train", 2, 0), ["#### 1"], [True])


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_any_text_gets_a_finite_reward_no_higher_than_the_solution(name):
    family = FAMILIES[name]
    rows = sample_prompts(name, "val", 40, 2)
    others = [row["response"] for row in demonstrations(sample_prompts(name, "val", 40, 3), 2)]
    strange = ["", ".", "; ; ;", "#### ####", "return", "sure !", "<unk> [ ( x", "é\n\t" * 9]
    for row in rows:
        text = prompt_text(row)
        best = family.gold(text, family.solve(text), True).reward
        for response in others + strange:
            assert -30 < family.gold(text, response, True).reward <= best
            assert family.gold(text, response, False).reward == pytest.approx(
                family.gold(text, response, True).reward - 1
            )
