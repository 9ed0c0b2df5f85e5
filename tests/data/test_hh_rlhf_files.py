"""The HH-RLHF test files as published: every row loads or is named."""

import gzip
import json
import re
from pathlib import Path
from time import perf_counter

import pytest

from tasks.data.loading import load_demonstrations, load_pairs, load_prompts
from tasks.data.quality import count_words
from tasks.data.source import DataSource

HARMLESS = "harmless_base_test_2000.jsonl.gz"
HELPFUL = "helpful_base_test_2000_reconstructed.jsonl.gz"

# An answer that is cut off at "Assistant: "; labellers' dialogues where a turn runs into the next one, so
# that chosen and rejected answer different conversations; two answers that agree to the letter.
BAD_LINES = {
    HARMLESS: {
        87: "empty response", 517: "empty response", 926: "empty response", 1104: "empty response",
        1255: "prompts differ", 1689: "prompts differ", 1951: "prompts differ", 1953: "prompts differ",
    },
    HELPFUL: {1103: "identical pair"},
}  # fmt: skip


def source(shared_data, name) -> DataSource:
    return DataSource(path=str(shared_data / "hh_rlhf" / name), max_prompt_tokens=0, held_out_share=0.1)


@pytest.mark.parametrize("name", [HARMLESS, HELPFUL])
def test_pairs(shared_data, name):
    started = perf_counter()
    loaded = load_pairs(source(shared_data, name), count_words)
    assert perf_counter() - started < 2.0
    assert {row.line: row.reason for row in loaded.quality.bad_rows} == BAD_LINES[name]
    rows = [*loaded.train, *loaded.held_out]
    assert len(rows) == 2000 - len(BAD_LINES[name])
    for row in rows:
        roles = [message["role"] for message in row["prompt"]]
        assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
        assert len(roles) % 2 == 1
    assert 140 <= len(loaded.held_out) <= 260


def test_a_known_row(shared_data):
    loaded = load_pairs(source(shared_data, HELPFUL), count_words)
    row = next(row for row in (*loaded.train, *loaded.held_out) if row["rejected"] == "Is this for a road trip?")
    assert row["prompt"] == [{"role": "user", "content": "How can I look up how much gas my car can hold?"}]
    assert row["chosen"].startswith("Your car will probably have this information")


def test_an_identical_pair_still_gives_a_demonstration_and_an_unanswered_prompt_a_prompt(shared_data):
    assert load_demonstrations(source(shared_data, HELPFUL), count_words).quality.rows_kept == 2000
    assert load_prompts(source(shared_data, HARMLESS), count_words).quality.rows_kept == 1996


def lines_longer_than(words: int, path: Path) -> set[int]:
    """Counted from the raw text: what stands before the last answer, without the speakers' labels."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        prompts = [json.loads(line)["chosen"].rsplit("\n\nAssistant:", 1)[0] for line in stream]
    spoken = [re.sub(r"\n\n(Human|Assistant):", " ", prompt).split() for prompt in prompts]
    return {line for line, prompt in enumerate(spoken, start=1) if len(prompt) > words}


def test_over_long_prompts_are_counted_and_not_cut(shared_data):
    limited = DataSource(path=str(shared_data / "hh_rlhf" / HARMLESS), max_prompt_tokens=200, max_bad_share=0.2)
    loaded = load_pairs(limited, count_words)
    found = {row.line for row in loaded.quality.bad_rows if row.reason == "over-long prompt"}
    assert found == lines_longer_than(200, shared_data / "hh_rlhf" / HARMLESS) - BAD_LINES[HARMLESS].keys()
    assert 20 < len(found) < 400
    assert max(count_words(row["prompt"]) for row in loaded.train) <= 200
