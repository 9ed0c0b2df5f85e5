"""What runs inside a stage's own process: read the request, call the function, write the outcome."""

import importlib
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from tasks.engine.files import write_json
from tasks.engine.schema import UserError

REQUEST, OUTCOME = "request.json", "outcome.json"


def annotations_of(function: Any) -> dict[str, TypeAdapter[Any]]:
    """A JSON adapter for every parameter of ``function`` and for its ``return``.

    Raises TypeError for an unannotated parameter: a stage's inputs cross a process boundary.
    """
    hints = get_type_hints(function)
    missing = [name for name in inspect.signature(function).parameters if name not in hints]
    if missing or "return" not in hints:
        raise TypeError(f"{function.__qualname__}: annotate {', '.join(missing) or 'the return value'}")
    return {name: TypeAdapter(hint) for name, hint in hints.items()}


def resolve(name: str) -> Any:
    """The plain function behind ``module:qualname``, without the Prefect task around it."""
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
        adapters = annotations_of(function)
        arguments = {name: adapters[name].validate_python(value) for name, value in request["arguments"].items()}
        with stage_tracker(Path(request["spool"]), Path(request["work"])):
            result = function(**arguments)
        outcome = {"result": adapters["return"].dump_python(result, mode="json")}
    except BaseException as error:
        traceback.print_exc()
        outcome = {"error": _describe(error), "user_error": isinstance(error, UserError | OSError)}
    write_json(folder / OUTCOME, outcome)


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def use_threads(count: int) -> None:
    """Let torch compute with ``count`` threads in this process."""
    import torch

    torch.set_num_threads(count)
    torch.use_deterministic_algorithms(torch.cuda.is_available() is False)


def main() -> None:
    """Entry point of a launched process: ``python -m tasks.engine.worker FOLDER``."""
    folder = Path(sys.argv[1])
    use_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    run_request(folder)


if __name__ == "__main__":
    main()
