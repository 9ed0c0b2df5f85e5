import gzip
import json

import pandas as pd
import pytest

from tasks.data.records import read_records
from tasks.engine.schema import UserError

ROWS = [{"id": "1", "text": "a, b"}, {"id": "2", "text": ""}]


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".parquet"])
def test_every_kind_of_file_holds_the_same_rows(tmp_path, ending):
    path = tmp_path / f"rows{ending}"
    table = pd.DataFrame(ROWS)
    if ".csv" in ending:
        table.to_csv(path, index=False)
    elif ending == ".parquet":
        table.to_parquet(path)
    else:
        text = (
            json.dumps(ROWS) if ".json." in f"{ending}." and "jsonl" not in ending else "\n".join(map(json.dumps, ROWS))
        )
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
    assert read_records(path) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", '{"a": 1}\n{"a": \n', r"rows\.jsonl:2: malformed JSON"),
        ("rows.json", '{"a": 1}', "holds a dict; wanted is a list"),
        ("rows.json", '[{"a": 1}, 3]', "element 2 is a int"),
        ("rows.json", "[", "cannot be read"),
        ("rows.txt", "a", "unknown kind of file"),
        ("rows.parquet", "no", "cannot be read"),
    ],
)
def test_a_bad_row_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_records(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.jsonl: no such file"):
        read_records(tmp_path / "gone.jsonl")
