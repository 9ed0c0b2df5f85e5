"""MLflow and Prefect for the engine's tests: real ones, started once."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tasks.engine.home import tracking_uri


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with MLflow's tables; making them takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
    return path


@pytest.fixture
def tracking(rlhf_home: Path, migrated_database: Path) -> Path:
    """An empty MLflow database in this test's working folder; nobody has opened it yet."""
    database = rlhf_home / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    shutil.copy(migrated_database, database)
    return database


@pytest.fixture
def client(tracking: Path) -> MlflowClient:
    """A client of this test's own MLflow database."""
    return MlflowClient(tracking_uri())
