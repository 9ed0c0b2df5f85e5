"""The working folder and the environment that libraries are started with."""

import os

import pytest

from tasks.engine.home import check_home, home, prepare_environment, store_url, tracking_uri
from tasks.engine.schema import UserError


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """No variable of ours is set; the current folder is a fresh one."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_", "RLHF_"))]:
        del os.environ[name]
    monkeypatch.chdir(tmp_path)
    return os.environ


def test_everything_is_kept_below_one_folder(environment, tmp_path):
    prepare_environment()
    assert home() == tmp_path / ".rlhf"
    assert store_url() == f"{tmp_path}/.rlhf/store"
    assert tracking_uri() == f"sqlite:///{tmp_path}/.rlhf/mlflow/mlflow.db"
    assert environment["PREFECT_HOME"] == f"{tmp_path}/.rlhf/prefect"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_what_the_user_has_set_stays(environment, tmp_path):
    chosen = {
        "RLHF_HOME": f"{tmp_path}/mine",
        "RLHF_STORE": "s3://bucket/store",
        "MLFLOW_TRACKING_URI": "http://tracking:5000",
        "PREFECT_HOME": f"{tmp_path}/prefect",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "7",
    }
    environment.update(chosen)
    prepare_environment()
    assert chosen.items() <= environment.items()
    assert (str(home()), store_url(), tracking_uri()) == tuple(chosen.values())[:3]


def test_the_working_folder_stays_when_the_current_folder_changes(environment, tmp_path, monkeypatch):
    prepare_environment()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert home() == tmp_path / ".rlhf"


def test_a_folder_that_cannot_be_written_is_one_clear_line(environment, tmp_path):
    (tmp_path / "file").touch()
    environment["RLHF_HOME"] = f"{tmp_path}/file/home"
    prepare_environment()
    with pytest.raises(UserError, match="set RLHF_HOME") as caught:
        check_home()
    assert str(caught.value).startswith(f"{tmp_path}/file/home: ")
    assert "\n" not in str(caught.value)
