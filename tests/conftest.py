"""What all tests share: an environment of their own, one Prefect server, a working folder for each test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings


def take_environment() -> Path:
    """Point every library at a fresh folder, before any of them is imported; one for each xdist worker."""
    folder = Path(tempfile.mkdtemp(prefix=f"rlhf-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-"))
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_", "RLHF_"))]:
        del os.environ[name]
    os.environ |= {"RLHF_HOME": str(folder), "HF_HOME": str(folder / "huggingface"), "OMP_NUM_THREADS": "1"}
    os.environ["RLHF_KEEP_FORK_SERVER"] = "1"
    from tasks.engine.home import prepare_environment

    prepare_environment()
    return folder


WITH_SERVERS = {"test_cli_up.py", "test_evaluate_form.py", "test_ui_form.py", "test_up_killed.py"}
SESSION_FOLDER = take_environment()
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Of several processes one runs all tests of a file; and one those of all files that use ``rlhf up``."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "rlhf up" if Path(file).name in WITH_SERVERS else file

    return ByFile(config, log)


def pytest_unconfigure() -> None:
    shutil.rmtree(SESSION_FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public data files beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the data files in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The API address of a Prefect server on a database of its own; flows here send no heartbeats."""
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield str(PREFECT_API_URL.value())


@pytest.fixture
def rlhf_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh working folder: store, locks, spools, tracking and Prefect's results are this test's alone."""
    from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

    results = tmp_path / "results"
    monkeypatch.setenv("RLHF_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_RESULTS_LOCAL_STORAGE_PATH", str(results))
    monkeypatch.delenv("RLHF_STORE", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: results}):
        yield tmp_path
