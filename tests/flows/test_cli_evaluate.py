"""``rlhf evaluate``, ``rlhf compare`` and ``rlhf suites`` as a user types them."""

import json
from pathlib import Path

import pytest
from commands import Rlhf

from tasks.evaluation.suites.catalog import Suites


@pytest.fixture(scope="module")
def rlhf(tmp_path_factory: pytest.TempPathFactory) -> Rlhf:
    return Rlhf(tmp_path_factory.mktemp("evaluations"))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    rows = [{"question": f"{n} and {n}?", "answer": f"#### {2 * n}"} for n in range(6)]
    for name in ("test.jsonl", "train.jsonl"):
        (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def answered(folder: Path, right: int) -> str:
    rows = [{"question": f"{n} and {n}?", "output": f"#### {2 * n if n < right else 'none'}"} for n in range(6)]
    path = folder / f"right-{right}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_two_files_of_outputs_are_evaluated_and_compared(rlhf: Rlhf, questions: Path) -> None:
    reports = []
    for right in (6, 3):
        arguments = (answered(questions, right), "--suites", "gsm8k", "--data", str(questions), "--json")
        done = rlhf("evaluate", *arguments)
        assert done.returncode == 0, done.stderr
        reports.append(json.loads(done.stdout))
    headline = [report["results"][0] for report in reports]
    assert [(row["metric"], row["value"]) for row in headline] == [("exact_match", 1.0), ("exact_match", 0.5)]
    assert headline[0]["score_key"] == headline[1]["score_key"]

    compared = rlhf("compare", *(report["mlflow_run_id"] for report in reports), "--json")
    row = next(row for row in json.loads(compared.stdout) if row["metric"] == "exact_match")
    assert (row["difference"], row["n"]) == (0.5, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.jsonl", "--suites", "gsm8k"), "gone.jsonl: no such file of outputs"),
        (("org/name", "--suites", "gsm9k"), "--suites: suites.0 = 'gsm9k'"),
        (("org/name", "--suites", "gsm8k", "--data", "gone"), "gsm8k: no file or folder gone"),
        (("org/name", "--suites", "alpaca_eval", "--judge", "oracle"), "--judge oracle: judge.kind = 'oracle'"),
        (("http://127.0.0.1:1/v1", "--suites", "tiny_gold"), "endpoint.model=NAME"),
    ],
)
def test_a_mistake_ends_in_one_line(rlhf: Rlhf, arguments: tuple[str, ...], message: str) -> None:
    done = rlhf("evaluate", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_every_suite_is_listed(rlhf: Rlhf) -> None:
    listed = json.loads(rlhf("suites", "--json").stdout)
    assert [row["suite"] for row in listed] == list(Suites.model_fields)
    assert next(row for row in listed if row["suite"] == "arena_hard")["judge"] == "compares two answers"
