"""Every shape in every format becomes the project's rows; every bad row is named."""

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.byte_pair import RESERVED
from tasks.data.loading import load_demonstrations, load_pairs, load_prompts, texts_of
from tasks.data.quality import count_words
from tasks.data.rows import user_prompt
from tasks.data.source import DataSource
from tasks.engine.schema import UserError

ALL_BAD_ALLOWED = {"max_bad_share": 1.0, "held_out_share": 0.0}


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def write(path: Path, rows: list) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if path.name.endswith(".jsonl"):
        path.write_text(lines)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        table = pa.Table.from_pylist(rows)
        if path.suffix == ".parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)
    return path


def source(path: Path, **settings) -> DataSource:
    return DataSource(path=str(path), **{"held_out_share": 0.0, **settings})


HISTORY = [say("user", "hi"), say("assistant", "hello"), say("user", "sum?")]
PAIR_SHAPES = {
    "strings": {"prompt": "sum?", "chosen": "4", "rejected": "5"},
    "messages, explicit prompt": {
        "prompt": HISTORY, "chosen": [say("assistant", "4")], "rejected": [say("assistant", "5")],
    },
    "messages, prompt as a string": {
        "prompt": "sum?", "chosen": [say("assistant", "4")], "rejected": [say("assistant", "5")],
    },
    "messages, a prompt that the answers continue": {
        "prompt": [say("user", "hi")],
        "chosen": [*HISTORY[1:], say("assistant", "4")], "rejected": [*HISTORY[1:], say("assistant", "5")],
    },
    "messages, implicit prompt": {
        "chosen": [*HISTORY, say("assistant", "4")], "rejected": [*HISTORY, say("assistant", "5")],
    },
    "whole conversations beside their prompt": {
        "prompt": "hi",
        "chosen": [*HISTORY, say("assistant", "4")], "rejected": [*HISTORY, say("assistant", "5")],
    },
    "transcripts": {
        "chosen": "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: sum?\n\nAssistant: 4",
        "rejected": "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: sum?\n\nAssistant: 5",
    },
    "ranked": {"prompt": "sum?", "completions": ["4", "maybe 4", "5"]},
    "rated, scores inside": {
        "prompt": "sum?",
        "completions": [
            {"response": "5", "overall_score": 1.0}, {"response": "4", "overall_score": 9.5},
            {"response": "maybe 4", "overall_score": 5.0},
        ],
    },
    "rated, scores beside": {"prompt": "sum?", "completions": ["5", "4", "maybe 4"], "scores": [1, 9, 5]},
}  # fmt: skip
FORMATS = ["rows.jsonl", "rows.jsonl.gz", "rows.parquet", "rows.arrow"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", PAIR_SHAPES)
def test_every_shape_of_pair_in_every_format(tmp_path, shape, name):
    row = PAIR_SHAPES[shape]
    loaded = load_pairs(source(write(tmp_path / name, [row, row])), count_words)
    assert [(pair["chosen"], pair["rejected"]) for pair in loaded.train] == [("4", "5")] * 2
    assert loaded.train[0]["prompt"] == (user_prompt("sum?") if row.get("prompt") == "sum?" else HISTORY)
    assert loaded.train[0]["family"] == "rows"
    assert loaded.quality.rows_kept == 2


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "row",
    [
        {"messages": [*HISTORY, say("assistant", "4")]},
        {"prompt": HISTORY, "response": "4"},
        {"prompt": HISTORY, "response": [say("assistant", "4")]},
        PAIR_SHAPES["transcripts"],
        PAIR_SHAPES["messages, explicit prompt"],
    ],
)
def test_demonstrations_in_every_format(tmp_path, name, row):
    loaded = load_demonstrations(source(write(tmp_path / name, [row])), count_words)
    assert [(shown["prompt"], shown["response"]) for shown in loaded.train] == [(HISTORY, "4")]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("row", [{"prompt": HISTORY}, {"messages": HISTORY}, PAIR_SHAPES["transcripts"]])
def test_prompts_in_every_format_once_each(tmp_path, name, row):
    shape = "prompts" if "messages" in row else "auto"
    loaded = load_prompts(source(write(tmp_path / name, [row, row]), shape=shape), count_words)
    assert [shown["prompt"] for shown in loaded.train] == [HISTORY]


def test_all_pairs_of_a_ranking(tmp_path):
    row = {"prompt": "?", "completions": ["a", "b", "c"], "scores": [1, 3, 3]}
    path = write(tmp_path / "r.jsonl", [row])
    pairs = load_pairs(source(path, pairing="all"), count_words).train
    assert [(pair["chosen"], pair["rejected"]) for pair in pairs] == [("b", "a"), ("c", "a")]
    ranked = load_pairs(source(path, pairing="all", shape="ranked"), count_words).train
    assert [(pair["chosen"], pair["rejected"]) for pair in ranked] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_columns_can_be_called_anything(tmp_path):
    row = {"instruction": "sum?", "win": "4", "lose": "5", "models": ["m"]}
    mapping = {"prompt_column": "instruction", "chosen_column": "win", "rejected_column": "lose"}
    loaded = load_pairs(source(write(tmp_path / "r.jsonl", [row]), **mapping), count_words)
    assert loaded.train[0]["chosen"] == "4"


def test_a_wrong_mapping_names_the_columns_that_exist(tmp_path):
    path = write(tmp_path / "r.jsonl", [{"prompt": "p", "better": "a", "worse": "b"}])
    with pytest.raises(UserError, match=r"rows hold prompts \(columns prompt, better, worse\).*pairs or transcripts"):
        load_pairs(source(path), count_words)
    with pytest.raises(UserError, match=r"column 'good'.*only prompt, better, worse; set chosen_column"):
        load_pairs(source(path, shape="pairs", chosen_column="good", rejected_column="worse"), count_words)
    with pytest.raises(UserError, match=r"cannot tell .* from the columns prompt, better, worse"):
        load_prompts(source(path, prompt_column="question"), count_words)


GOOD = {"prompt": "p q", "chosen": "a", "rejected": "b"}
BAD_PAIRS = [
    ({"prompt": "p", "chosen": "a"}, "missing field 'rejected'"),
    ({"prompt": None, "chosen": "a", "rejected": "b"}, "missing field 'prompt'"),
    ({**GOOD, "chosen": " \n"}, "empty response"),
    ({**GOOD, "rejected": ""}, "empty response"),
    ({**GOOD, "rejected": " a\n"}, "identical pair"),
    ({**GOOD, "prompt": "one two three four five six"}, "over-long prompt"),
    ({**GOOD, "rejected": "one two three four five six seven"}, "over-long response"),
    ({**GOOD, "prompt": "  "}, "empty prompt"),
    ({**GOOD, "chosen": 7}, "'chosen' is neither text nor messages"),
    ({**GOOD, "prompt": 7}, "'prompt' is neither text nor messages"),
    ({**GOOD, "chosen": "half \ud800 pair"}, "not valid Unicode"),
    ({**GOOD, "prompt": f"a {RESERVED}<eos>"}, "reserved character"),
    ({**GOOD, "prompt": [say("user", "p"), say("assistant", "q")]}, "prompt does not end with a user turn"),
    ({**GOOD, "chosen": [say("tool", "x")]}, "unknown role"),
    ({**GOOD, "chosen": [{"content": "x"}]}, "message without role and content"),
    ({**GOOD, "chosen": [say("assistant", "x"), say("user", "y")]}, "no assistant turn at the end"),
    (
        {"chosen": [*HISTORY, say("assistant", "x")], "rejected": [say("user", "h"), say("assistant", "y")]},
        "prompts differ",
    ),
    ([1, 2], "not a JSON object"),
]  # fmt: skip


def test_every_bad_pair_is_reported_with_its_file_and_line(tmp_path):
    rows = [row for bad, _ in BAD_PAIRS for row in (GOOD, bad)]
    path = write(tmp_path / "bad.jsonl", rows)
    limits = {"max_prompt_tokens": 5, "max_response_tokens": 6, **ALL_BAD_ALLOWED}
    quality = load_pairs(source(path, **limits), count_words).quality
    found = [(row.file, row.line, row.reason) for row in quality.bad_rows]
    assert found == [(str(path), 2 * place, reason) for place, (_, reason) in enumerate(BAD_PAIRS, start=1)]
    assert quality.rows_kept == len(BAD_PAIRS)
    assert quality.table().shape == (len(BAD_PAIRS), 4)
    metrics = quality.metrics()
    assert metrics["data/bad/empty_response"] == 2
    assert metrics["data/bad_share"] == 0.5
    assert all(re.fullmatch(r"[\w\-. /]+", name, re.ASCII) for name in metrics)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "p", "completions": ["a"], "scores": [1]}, "fewer than two responses"),
        ({"prompt": "p", "completions": "a"}, "'completions' is not a list"),
        (
            {"prompt": "p", "completions": ["a", "b"], "scores": [1]},
            "scores and completions differ in number",
        ),
        ({"prompt": "p", "completions": ["a", "b"], "scores": [1, "N/A"]}, "score is not a number"),
        ({"prompt": "p", "completions": ["a", "b"], "scores": [2, 2]}, "equal scores"),
        ({"prompt": "p", "completions": ["a", "a "], "scores": [2, 1]}, "identical pair"),
        ({"prompt": "p", "completions": ["a", "", "b"], "scores": [3, 2, 1]}, "empty response"),
        (
            {"prompt": "p", "completions": [{"response": "a"}, {"response": "b"}]},
            "missing field 'overall_score'",
        ),
        ({"prompt": "p", "completions": [{"text": "a"}, "b"], "scores": [2, 1]}, "missing field 'response'"),
        ({"completions": ["a", "b"], "scores": [2, 1]}, "missing field 'prompt'"),
    ],
)
def test_every_bad_ranking_is_reported(tmp_path, row, reason):
    good = {"prompt": "p", "completions": ["a", "b"], "scores": [2, 1]}
    path = write(tmp_path / "bad.jsonl", [good, row])
    quality = load_pairs(source(path, **ALL_BAD_ALLOWED), count_words).quality
    assert [(bad.line, bad.reason) for bad in quality.bad_rows] == [(2, reason)]


def test_malformed_lines_count_as_bad_rows(tmp_path):
    path = write(tmp_path / "cut.jsonl", [GOOD, GOOD])
    path.write_text(path.read_text()[:-10])
    quality = load_pairs(source(path, **ALL_BAD_ALLOWED), count_words).quality
    assert [(bad.line, bad.reason) for bad in quality.bad_rows] == [(2, "malformed JSON")]


def test_too_many_bad_rows_stop_the_run_and_name_the_key(tmp_path):
    empty = {**GOOD, "chosen": ""}
    path = write(tmp_path / "r.jsonl", [GOOD] * 8 + [empty, empty, {**GOOD, "rejected": "a"}])
    with pytest.raises(UserError) as error:
        load_pairs(source(path, max_bad_share=0.2), count_words)
    message = str(error.value)
    assert "3 of 11 rows are bad (27.3%, max_bad_share 20.0%)" in message
    assert f"commonest: empty response, 2 times, first at {path}:9" in message
    assert message.endswith("raise max_bad_share")
    assert "\n" not in message
    assert len(load_pairs(source(path, max_bad_share=0.28), count_words).train) == 8


def test_a_share_at_the_limit_is_allowed(tmp_path):
    path = write(tmp_path / "r.jsonl", [GOOD, GOOD, GOOD, {**GOOD, "chosen": ""}])
    assert load_pairs(source(path, max_bad_share=0.25), count_words).quality.bad_share == 0.25
    with pytest.raises(UserError, match="1 of 4 rows are bad"):
        load_pairs(source(path, max_bad_share=0.24), count_words)


def test_over_long_prompts_name_their_own_key(tmp_path):
    path = write(tmp_path / "r.jsonl", [GOOD, {**GOOD, "prompt": "a b c d"}])
    with pytest.raises(UserError, match=r"r.jsonl:2 \(4 tokens > max_prompt_tokens 3\); raise max_prompt_tokens"):
        load_pairs(source(path, max_prompt_tokens=3), count_words)


def test_no_good_row_is_an_error_at_any_share(tmp_path):
    path = write(tmp_path / "r.jsonl", [{**GOOD, "chosen": ""}])
    with pytest.raises(UserError, match=r"1 of 1 rows are bad.*no row is left"):
        load_pairs(source(path, max_bad_share=1.0), count_words)
    path.write_text("not json\n" * 3)
    with pytest.raises(UserError, match=r"malformed JSON, 3 times, first at .*:1"):
        load_pairs(source(path, max_bad_share=1.0), count_words)
    path.write_text("\n")
    with pytest.raises(UserError, match="holds no rows"):
        load_pairs(source(path), count_words)


def test_no_prompt_is_on_both_sides_of_the_split(tmp_path):
    rows = [{"prompt": f"question {n % 60}", "chosen": f"a{n}", "rejected": "b"} for n in range(180)]
    loaded = load_pairs(source(write(tmp_path / "r.jsonl", rows), held_out_share=0.3), count_words)
    sides = [{row["prompt_id"] for row in part} for part in (loaded.train, loaded.held_out)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 60
    assert len(loaded.train) + len(loaded.held_out) == 180
    assert len(sides[1]) > 5


def test_a_familys_name_is_its_files_or_folders(tmp_path):
    write(tmp_path / "a.b.jsonl", [GOOD])
    for path, family in (
        (tmp_path / "a.b.jsonl", "a"),
        (tmp_path, tmp_path.name),
        (tmp_path / "*.jsonl", tmp_path.name),
    ):
        assert load_pairs(source(path), count_words).train[0]["family"] == family


def test_texts_for_a_tokenizer_are_all_turns_and_answers(tmp_path):
    path = write(tmp_path / "r.jsonl", [PAIR_SHAPES["transcripts"]])
    assert list(texts_of(load_pairs(source(path), count_words).train)) == ["hi", "hello", "sum?", "4", "5"]
