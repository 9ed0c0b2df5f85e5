"""The launcher: a stage's process that dies is noticed, one that should die does, and nothing is lost."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from toy_stages import Toy
from waiting import until

from tasks.engine.launch import Cancelled, Launcher, StageFailed, WorkerLost
from tasks.engine.locks import core_count
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.worker import decode, encode, resolve

STEPS = 12


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLHF_HOME", str(tmp_path_factory.mktemp("launcher")))
        launcher = Launcher()
        launcher.warm_up()
        yield launcher
        launcher.close()


@pytest.fixture(scope="module")
def rows(launcher, tmp_path_factory) -> DatasetRef:
    return launch(launcher, tmp_path_factory.mktemp("rows"), "write_rows", count=5)


@pytest.fixture(scope="module")
def weights(launcher, rows, tmp_path_factory) -> str:
    """Digest of the weights of a run that nothing happens to."""
    return launch(launcher, tmp_path_factory.mktemp("weights"), "fit_line", rows=rows, toy=Toy(steps=STEPS)).digest


def launch(
    launcher: Launcher,
    folder: Path,
    function: str,
    threads: int = 1,
    on_wait: Callable[[], None] = lambda: None,
    **arguments: Any,
) -> Any:
    request = {
        "function": f"toy_stages:{function}",
        "arguments": encode(arguments),
        "spool": str(folder / "spool.jsonl"),
        "work": str(folder),
    }
    return decode(launcher.run(folder, request, threads, on_wait=on_wait))


def steps_recorded(folder: Path) -> list[int]:
    events = [event for event, _ in read_events(folder / "spool.jsonl")]
    return [event["step"] for event in events if "train/loss" in event["values"]]


def test_a_stage_answers_with_its_reference(launcher, rows):
    assert (Store().open(rows) / "rows.txt").read_text() == "0\n1\n2\n3\n4"
    assert (rows.name, rows.rows) == ("toy", 5)


@pytest.mark.parametrize("kill_at", [0, 1, 7, STEPS - 1])
def test_a_killed_stage_is_lost_and_goes_on_to_the_same_weights(launcher, rows, weights, tmp_path, kill_at):
    toy = Toy(steps=STEPS, kill_at=kill_at)
    with pytest.raises(WorkerLost, match=str(-signal.SIGKILL)):
        launch(launcher, tmp_path, "fit_line", rows=rows, toy=toy)
    assert launch(launcher, tmp_path, "fit_line", rows=rows, toy=toy).digest == weights
    assert steps_recorded(tmp_path) == list(range(STEPS))


def test_the_process_that_forks_stages_may_be_killed(launcher, rows, weights, tmp_path):
    toy = Toy(steps=STEPS, hold_at=5)

    def kill_zygote() -> None:
        if (tmp_path / "holding").exists():
            os.kill(launcher.warm_up().pid, signal.SIGKILL)

    with pytest.raises(WorkerLost, match="forked from"):
        launch(launcher, tmp_path, "fit_line", on_wait=kill_zygote, rows=rows, toy=toy)
    until(lambda: not psutil.pid_exists(int((tmp_path / "holding").read_text())))
    (tmp_path / "go").touch()
    assert launch(launcher, tmp_path, "fit_line", rows=rows, toy=toy).digest == weights


def test_an_exception_while_waiting_ends_the_stage_and_it_can_be_started_again(launcher, rows, weights, tmp_path):
    def give_up() -> None:
        if (tmp_path / "holding").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(launcher, tmp_path, "fit_line", on_wait=give_up, rows=rows, toy=Toy(steps=STEPS, hold_at=2))
    until(lambda: not psutil.pid_exists(int((tmp_path / "holding").read_text())))
    (tmp_path / "go").touch()
    assert launch(launcher, tmp_path, "fit_line", rows=rows, toy=Toy(steps=STEPS)).digest == weights


def test_an_exception_in_a_stage_says_its_cause_and_logs_its_traceback(launcher, tmp_path):
    with pytest.raises(StageFailed, match=r"^ArithmeticError: seven eighths$"):
        launch(launcher, tmp_path, "stumble", reason="seven\neighths")
    assert "in stumble" in (tmp_path / "log.txt").read_text()


def test_what_the_user_can_put_right_arrives_word_for_word(launcher, tmp_path):
    with pytest.raises(UserError, match=r"^rows\.jsonl:3: no field 'rejected'; map it with data\.columns$"):
        launch(launcher, tmp_path, "refuse", reason="rows.jsonl:3: no field 'rejected'; map it with data.columns")


def test_a_loss_that_is_not_finite_ends_the_stage_by_name(launcher, tmp_path):
    with pytest.raises(StageFailed, match="train/loss=inf is not finite"):
        launch(launcher, tmp_path, "diverge", loss=1.0)
    assert steps_recorded(tmp_path) == []


def test_a_stage_that_does_not_exist_fails_and_does_not_hang(launcher, tmp_path):
    with pytest.raises(StageFailed, match="no_such_stage"):
        launch(launcher, tmp_path, "no_such_stage")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stage_computes_with_as_many_threads_as_it_was_given(launcher, tmp_path, threads):
    assert launch(launcher, tmp_path, "count_threads", threads) == {"torch": threads, "environment": threads}


def test_stages_run_side_by_side(launcher, rows, tmp_path):
    """Each waits for the other to be there; with one core they would take turns and this test has nothing to show."""
    if core_count() < 2:
        pytest.skip("needs two cores")
    folders = [tmp_path / "one", tmp_path / "two"]

    def let_both_go() -> None:
        if all((folder / "holding").exists() for folder in folders):
            for folder in folders:
                (folder / "go").touch()

    found: list[str] = []

    def fit(folder: Path) -> None:
        toy = Toy(hold_at=3)
        found.append(launch(launcher, folder, "fit_line", on_wait=let_both_go, rows=rows, toy=toy).digest)

    threads = [threading.Thread(target=fit, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 2
    assert len(set(found)) == 1


def test_closing_ends_what_runs_and_what_waits(rows, tmp_path):
    launcher, ended = Launcher(), []
    folders = [tmp_path / f"stage{index}" for index in range(core_count() + 1)]

    def hold(folder: Path) -> None:
        with pytest.raises(Cancelled):
            launch(launcher, folder, "fit_line", rows=rows, toy=Toy(hold_at=0))
        ended.append(folder)

    threads = [threading.Thread(target=hold, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    held = until(lambda: [f for folder in folders if (f := folder / "holding").exists()][: core_count()])
    zygote = launcher.warm_up().pid
    launcher.close()
    for thread in threads:
        thread.join(30)
    assert len(ended) == len(folders)
    until(lambda: not any(psutil.pid_exists(pid) for pid in [zygote, *(int(path.read_text()) for path in held)]))
    with pytest.raises(Cancelled):
        launch(launcher, tmp_path / "late", "fit_line", rows=rows, toy=Toy())


@pytest.mark.parametrize("kept", [True, False])
def test_the_next_run_takes_what_the_last_one_imported_where_asked(tmp_path, monkeypatch, kept):
    monkeypatch.setenv("RLHF_KEEP_FORK_SERVER", "1" if kept else "")
    pids = []
    for name in ("first", "second"):
        monkeypatch.setenv("RLHF_HOME", str(tmp_path / name))
        launcher = Launcher()
        launch(launcher, tmp_path / name, "write_rows", count=2)
        assert (tmp_path / name / "store").is_dir(), "a stage works in the environment of its own run"
        pids.append(launcher.warm_up().pid)
        launcher.close()
        assert psutil.pid_exists(pids[-1]) is kept
    assert (pids[0] == pids[1]) is kept


def test_only_models_and_json_cross_between_stages():
    with pytest.raises(TypeError, match="pass a reference or a frozen model"):
        encode({"values": {1, 2}})
    assert decode(encode({"toy": [Toy(steps=3)], "n": (1, None)})) == {"toy": [Toy(steps=3)], "n": [1, None]}


def test_a_stage_is_resolved_to_the_plain_function_inside():
    assert resolve("toy_stages:write_rows").__name__ == "write_rows"
    assert not hasattr(resolve("toy_stages:write_rows"), "submit")
