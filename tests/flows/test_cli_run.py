"""``rlhf run`` without a server: interrupted, resumed, read again."""

import json
import signal
from pathlib import Path

import psutil
import pytest
from commands import Rlhf, gone, read_until

SMOKE = ["run", "dpo", "--scale", "smoke", "--arms", "sft,dpo", "--json"]
FIRST, SECOND = "pretrain ", "finetune_supervised sft-s0"
"""Lines of progress; the second stage needs the artifact of the first."""


@pytest.fixture(scope="module")
def interrupted(working_home: Path) -> tuple[int, str, list[psutil.Process]]:
    """Exit code, last words and surviving processes of a run that got Ctrl-C in its second stage."""
    process = Rlhf(working_home).start(*SMOKE)
    said = read_until(process.stderr, SECOND)
    assert FIRST in said
    assert SECOND in said
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) > 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == ""
    return process.returncode, err, gone(family)


@pytest.fixture(scope="module")
def resumed(working_home: Path, interrupted: object) -> tuple[dict, str]:
    """The report and the progress of the same command."""
    result = Rlhf(working_home)(*SMOKE)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), result.stderr


def test_ctrl_c_ends_everything_in_one_line(interrupted: tuple[int, str, list[psutil.Process]]) -> None:
    code, err, survivors = interrupted
    assert code == 130
    assert err.strip().splitlines()[-1] == "interrupted; the same command resumes"
    assert "Traceback" not in err
    assert not survivors


def test_the_same_command_resumes(resumed: tuple[dict, str]) -> None:
    report, progress = resumed
    assert FIRST not in progress
    assert "optimise_preferences dpo-s0" in progress
    assert report["failures"] == {}
    assert {"sft", "dpo"} <= {row["arm"] for row in report["leaderboard"]}
    assert report["mlflow_run_id"]


def test_verdicts_are_those_of_the_latest_finished_run(working_home: Path, resumed: tuple[dict, str]) -> None:
    report, _ = resumed
    result = Rlhf(working_home)("verdicts", "dpo", "--json")
    assert result.returncode == 0, result.stderr
    (run,) = json.loads(result.stdout)
    assert run["run_id"] == report["mlflow_run_id"]
    assert run["scale"] == "smoke"
    assert [(row["claim"], row["outcome"]) for row in run["verdicts"]] == [
        (row["claim"], row["outcome"]) for row in report["verdicts"]
    ]


def test_a_mistake_in_a_setting_is_one_line(working_home: Path) -> None:
    result = Rlhf(working_home)("run", "dpo", "--scale", "smoke", "--set", "policy.beta=1000")
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("--set policy.beta=1000: policy.beta = 1000: ")
    assert "0.0001 to 100" in line


def test_a_store_that_cannot_be_written_is_one_line(working_home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = Rlhf(working_home)("run", "dpo", "--scale", "smoke", RLHF_STORE=str(tmp_path / "file" / "store"))
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    assert str(tmp_path / "file" / "store") in line
