import json
import sys
from pathlib import Path

import pytest

from flows.catalog import PAPERS
from flows.cli import main
from tasks.engine.locks import file_lock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLHF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


class Terminal:
    """Runs ``rlhf`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["rlhf", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = self.capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def rlhf(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_help_says_what_exit_codes_mean(rlhf: Terminal) -> None:
    code, out, _ = rlhf("--help")
    assert code == 0
    for word in ("Exit codes", "130", "list", "show", "run", "verdicts", "up", "clean"):
        assert word in out


def test_the_papers_are_listed(rlhf: Terminal) -> None:
    code, out, _ = rlhf("list")
    assert code == 0
    assert "dpo" in out
    assert "smoke" in out
    papers = json.loads(rlhf("list", "--json")[1])
    assert [paper["key"] for paper in papers] == list(PAPERS)
    assert set(papers[0]) == {"key", "family", "title", "arxiv", "minutes"}


def test_a_paper_is_shown_with_every_setting_and_its_provenance(rlhf: Terminal) -> None:
    code, out, _ = rlhf("show", "dpo", "--scale", "smoke")
    assert code == 0
    for text in ("2305.18290", "beats_sft", "Conservative DPO", "policy.beta", "0.0001 to 100"):
        assert text in out
    document = json.loads(rlhf("show", "dpo", "--scale", "smoke", "--json")[1])
    settings = {one["path"]: one for one in document["hyperparameters"]}
    assert settings["world.pairs"]["value"] == 24
    assert settings["world.pairs"]["default"] != 24
    assert all(one["description"] for one in settings.values())
    assert all(claim["source"] and claim["paper_value"] for claim in document["claims"])


def test_a_study_of_no_paper_is_shown_without_empty_tables(rlhf: Terminal) -> None:
    code, out, _ = rlhf("show", "tournament", "--scale", "smoke")
    assert code == 0
    assert out.splitlines()[0].endswith("one ranking")
    assert "Claims" not in out
    assert "online_dpo" in out


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["run", "dop"], "there is no paper 'dop'; did you mean osp or dpo or dr_po?"),
        (["show", "dop"], "there is no paper 'dop'; did you mean osp or dpo or dr_po?"),
        (["verdicts", "dop"], "there is no paper 'dop'; did you mean osp or dpo or dr_po?"),
        (["run", "dpo", "--scale", "huge"], "dpo has no scale 'huge'"),
        (["show", "dpo", "--scale", "huge"], "dpo has no scale 'huge'"),
        (["run", "dpo", "--seeds", "0,one"], "--seeds 0,one"),
        (["verdicts"], "nothing has been run here yet"),
        (["up", "--host", "0.0.0.0"], "PREFECT_SERVER_API_AUTH_STRING"),
        (["up", "--host", "no.such.host.invalid"], "no such address"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(rlhf: Terminal, arguments: list[str], culprit: str) -> None:
    code, out, err = rlhf(*arguments)
    assert code == 2
    assert out == ""
    assert culprit in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [["run", "dpo"], ["up"], ["verdicts"]])
def test_a_folder_that_cannot_be_written_is_named(
    rlhf: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RLHF_HOME", str(tmp_path / "file" / "home"))
    code, _, err = rlhf(*command)
    assert code == 2
    assert f"{tmp_path}/file/home: the working folder cannot be written" in err


@pytest.fixture
def used(home: Path) -> Path:
    for name in ("work/key/log.txt", "results/key", "store/data/rows", "mlflow/mlflow.db", "prefect/prefect.db"):
        (home / name).parent.mkdir(parents=True)
        (home / name).write_bytes(b"0" * 1_000_000)
    return home


def test_cleaning_frees_what_can_be_made_again(rlhf: Terminal, used: Path) -> None:
    code, out, err = rlhf("clean", "--yes")
    assert code == 0
    assert out.count("1.0 MB") == 3
    assert "removed 3.0 MB" in err
    assert {path.name for path in used.iterdir()} >= {"mlflow", "prefect"}
    assert not {"work", "results", "store"} & {path.name for path in used.iterdir()}
    assert "nothing to remove" in rlhf("clean", "--yes")[2]


def test_cleaning_everything_leaves_strangers_alone(rlhf: Terminal, used: Path) -> None:
    (used / "thesis.tex").touch()
    assert rlhf("clean", "--all", "--yes")[0] == 0
    assert [path.name for path in used.iterdir()] == ["thesis.tex"]


def test_cleaning_asks_first(rlhf: Terminal, used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/null").open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        code, _, err = rlhf("clean")
    assert code == 2
    assert "say --yes" in err
    assert (used / "store").exists()


def test_cleaning_waits_for_a_run_that_is_going_on(rlhf: Terminal, used: Path) -> None:
    lock = file_lock(used / "spool" / "run" / "alive.lock")
    lock.acquire()
    code, _, err = rlhf("clean", "--yes")
    lock.release()
    assert code == 2
    assert "a run is going on here" in err
    assert (used / "store").exists()
