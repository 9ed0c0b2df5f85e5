"""Where rlhf-atlas keeps what it makes, and the environment that its libraries are started with."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tasks.engine.schema import UserError

HOME_VARIABLE = "RLHF_HOME"
STORE_VARIABLE = "RLHF_STORE"


def home() -> Path:
    """The working folder: ``$RLHF_HOME``, or ``.rlhf`` in the current folder."""
    return Path(os.environ.get(HOME_VARIABLE, ".rlhf")).resolve()


def store_url() -> str:
    """The artifact store: ``$RLHF_STORE`` (any fsspec URL), or ``store`` in the working folder."""
    return os.environ.get(STORE_VARIABLE) or str(home() / "store")


def tracking_uri() -> str:
    """The MLflow tracking server: ``$MLFLOW_TRACKING_URI``, or a SQLite file in the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow' / 'mlflow.db'}"


def artifact_root() -> str:
    """Where a tracking store in the working folder keeps its artifacts."""
    return (home() / "mlflow" / "artifacts").as_uri()


def prepare_environment() -> None:
    """Give Prefect and MLflow their defaults; call before importing either. What is set already is kept."""
    here = home()
    defaults = {
        HOME_VARIABLE: str(here),
        "PREFECT_HOME": str(here / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(here / "results"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # A server that is away must not hold a thread for minutes; the spool keeps what could not be sent.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Prefect's server does not start on a home that does not exist; one that cannot be made is reported by
    # ``check_home`` where a user reads it.
    with suppress(OSError):
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def check_home() -> Path:
    """The working folder, made if need be. Raises UserError if it cannot be written."""
    here = home()
    try:
        here.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=here):
            return here
    except OSError as error:
        raise UserError(f"{here}: the working folder cannot be written ({error.strerror}); set RLHF_HOME") from error
