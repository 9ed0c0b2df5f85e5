"""Files, folders, globs and saved data sets become rows that know their file and line."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.reading import is_hub_id, read_rows
from tasks.data.source import DataSource
from tasks.engine.schema import UserError

ROWS = [{"prompt": f"question {number}", "chosen": "yes\nline", "rejected": "Ünïcode ✓"} for number in range(5)]


def write(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    table = pa.Table.from_pylist(rows)
    if path.name.endswith(".jsonl"):
        path.write_text(lines, encoding="utf-8")
    elif path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.name.endswith(".parquet"):
        pq.write_table(table, path)
    else:
        opener = pa.ipc.new_stream if "stream" in path.name else pa.ipc.new_file
        with opener(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


def read(path: object, **settings: object) -> list:
    return list(read_rows(DataSource(path=str(path), **settings)))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet", "a.arrow", "stream.arrow"])
def test_every_format_gives_the_same_rows_and_numbers(tmp_path, name):
    path = write(tmp_path / name, ROWS)
    rows = read(path)
    assert [row.fields for row in rows] == ROWS
    assert [(row.file, row.line) for row in rows] == [(str(path), line) for line in range(1, 6)]


def test_limit_counts_rows_over_files(tmp_path):
    write(tmp_path / "a.jsonl", ROWS[:2])
    write(tmp_path / "b.parquet", ROWS[2:])
    rows = read(tmp_path, limit=3)
    assert [(Path(row.file).name, row.line) for row in rows] == [
        ("a.jsonl", 1), ("a.jsonl", 2), ("b.parquet", 1),
    ]  # fmt: skip


def test_globs_are_sorted(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl"):
        write(tmp_path / name, ROWS[:1])
    names = [str(Path(row.file).relative_to(tmp_path)) for row in read(tmp_path / "**" / "*.jsonl")]
    assert names == ["a.jsonl", "b.jsonl", "deep/c.jsonl"]


def test_a_folders_split_is_a_word_of_the_path(tmp_path):
    for name in (
        "train-00000-of-00001.jsonl",
        "test-00000-of-00001.jsonl",
        "helpful/train.jsonl",
        "trainer.jsonl",
    ):
        write(tmp_path / name, ROWS[:1])
    names = [Path(row.file).name for row in read(tmp_path, split="train")]
    assert names == ["train.jsonl", "train-00000-of-00001.jsonl"]
    with pytest.raises(UserError, match=r"no file names the split 'valid'.*trainer.jsonl"):
        read(tmp_path, split="valid")


def test_saved_data_sets_and_their_splits(tmp_path):
    from datasets import Dataset, DatasetDict

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "one"))
    DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS[:2])).save_to_disk(str(tmp_path / "two"))
    assert [row.fields for row in read(tmp_path / "one")] == ROWS
    assert len(read(tmp_path / "two")) == 5
    assert [row.line for row in read(tmp_path / "two", split="test")] == [1, 2]
    with pytest.raises(UserError, match=r"no split 'dev', only train, test; set split"):
        read(tmp_path / "two", split="dev")


def test_lines_that_are_no_rows_keep_their_number(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": \n[1, 2]\n{"a": "\xff"}\n{"a": 2}')
    rows = read(path)
    assert [(row.line, row.problem) for row in rows] == [
        (1, ""), (3, "malformed JSON"), (4, "not a JSON object"), (5, "not UTF-8"), (6, ""),
    ]  # fmt: skip
    assert rows[0].fields == {"a": 1}


def test_deeply_nested_json_is_a_bad_row_and_not_a_crash(tmp_path):
    path = tmp_path / "deep.jsonl"
    path.write_text("[" * 200_000 + "\n" + json.dumps(ROWS[0]) + "\n")
    assert [row.problem for row in read(path)] == ["malformed JSON", ""]


def test_a_cut_off_gzip_names_the_file_and_its_whole_lines(tmp_path):
    rows_written = [{"n": number, "noise": number * 2654435761 % 10**12} for number in range(3000)]
    path = write(tmp_path / "cut.jsonl.gz", rows_written)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    rows = read_rows(DataSource(path=str(path)))
    seen = []
    with pytest.raises(UserError, match=r"cut\.jsonl\.gz: damaged or cut-off gzip file.*fetch it again") as error:
        seen.extend(row.fields["n"] for row in rows)
    assert 500 < len(seen) < 2500
    assert seen == list(range(len(seen)))
    assert f"after {len(seen)} whole lines" in str(error.value)


@pytest.mark.parametrize("damage", ["middle", "not gzip"])
def test_a_damaged_gzip_is_the_users_error(tmp_path, damage):
    path = write(tmp_path / "a.jsonl.gz", ROWS * 100)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content) if damage == "middle" else b'{"prompt": "plain"}\n')
    with pytest.raises(UserError, match="damaged or cut-off gzip file"):
        read(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "stream.arrow"])
def test_a_cut_off_columnar_file_is_the_users_error(tmp_path, name):
    path = write(tmp_path / name, ROWS)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=rf"{name}: not a readable"):
        read(path)


@pytest.mark.parametrize("path", ["/nowhere/a.jsonl", "nowhere/a.parquet", "./no/where", "none*.jsonl"])
def test_a_missing_path_says_what_is_accepted(path):
    with pytest.raises(UserError, match=r"nothing there.*\.jsonl\.gz.*Hub id org/name"):
        read(path)


def test_other_refusals(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"a\.csv: unknown kind of file"):
        read(tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"data\.path is empty"):
        read("")
    with pytest.raises(UserError, match="nothing there"):
        read(tmp_path)


def test_what_counts_as_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "here").mkdir(parents=True)
    assert is_hub_id("Anthropic/hh-rlhf")
    for path in ("org/here", "data/train.jsonl", "./org/name", "/org/name", "name", "a/b/c", "~/name"):
        assert not is_hub_id(path)
