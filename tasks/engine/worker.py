"""What runs inside a stage's own process: read the request, call the function, write the outcome."""

import importlib
import inspect
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.engine.files import write_json
from tasks.engine.schema import UserError

REQUEST, OUTCOME = "request.json", "outcome.json"
MODEL = "__model__"


def encode(value: Any) -> Any:
    """``value`` as JSON that names its models, so that an argument may be any frozen model of a kind.

    Raises TypeError for what is neither a model nor JSON: only small values cross between stages.
    """
    if isinstance(value, BaseModel):
        kind = type(value)
        return {MODEL: f"{kind.__module__}:{kind.__qualname__}", "fields": value.model_dump(mode="json")}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): encode(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a {type(value).__name__} cannot cross between stages; pass a reference or a frozen model")


def decode(value: Any) -> Any:
    """The value that ``encode`` was given (tuples come back as lists)."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, Mapping):
        if MODEL in value:
            return resolve(value[MODEL]).model_validate(value["fields"])
        return {name: decode(item) for name, item in value.items()}
    return value


def resolve(name: str) -> Any:
    """What ``module:qualname`` names; of a Prefect task, the plain function inside."""
    module, _, qualname = name.partition(":")
    value: Any = importlib.import_module(module)
    for part in qualname.split("."):
        value = getattr(value, part)
    return inspect.unwrap(getattr(value, "fn", value))


def run_request(folder: Path) -> None:
    """Run the stage requested in ``folder`` and leave its outcome there as JSON."""
    from tasks.engine.tracking import stage_tracker

    request = json.loads((folder / REQUEST).read_text())
    try:
        function = resolve(request["function"])
        with stage_tracker(Path(request["spool"]), Path(request["work"])) as tracker:
            started = time.perf_counter()
            try:
                result = function(**decode(request["arguments"]))
            finally:
                tracker.metrics(_cost(started), step=0)
        outcome = {"result": encode(result)}
    except BaseException as error:
        traceback.print_exc()
        outcome = {"error": _describe(error), "user_error": isinstance(error, UserError)}
    write_json(folder / OUTCOME, outcome)


def _cost(started: float) -> dict[str, float]:
    """Wall and processor seconds of this stage, and the peak memory of its process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cost/seconds": time.perf_counter() - started,
        "cost/cpu_seconds": usage.ru_utime + usage.ru_stime,
        "cost/peak_memory_mib": usage.ru_maxrss / 1024,
    }


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def use_threads(count: int) -> None:
    """Let torch compute with ``count`` threads in this process, the same way each time on a CPU."""
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.set_num_threads(count)
    torch.use_deterministic_algorithms(not torch.cuda.is_available())


def main() -> None:
    """Entry point of a launched process: ``python -m tasks.engine.worker FOLDER``."""
    folder = Path(sys.argv[1])
    use_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    run_request(folder)


if __name__ == "__main__":
    main()
