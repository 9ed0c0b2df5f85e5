"""When two stage runs are the same: one cache key over inputs, code and libraries, and Prefect's policy for it."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.results import get_result_store
from prefect.transactions import IsolationLevel
from pydantic import BaseModel

from tasks.engine.code_digest import code_digest, module_digest
from tasks.engine.locks import KernelLockManager
from tasks.engine.refs import Ref
from tasks.engine.session import is_cancelled
from tasks.engine.store import Store

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "numpy")


def key_parts(function: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a stage's result depends on, as JSON values; the key is this text's digest."""
    return {
        "stage": f"{function.__module__}:{function.__qualname__}",
        "code": code_digest(function),
        "inputs": {name: canonical(value) for name, value in sorted(arguments.items())},
        "libraries": _library_versions(),
    }


def stage_key(function: Any, arguments: Mapping[str, Any]) -> str:
    """The cache key of calling ``function`` with ``arguments``: 64 hexadecimal digits."""
    text = json.dumps(key_parts(function, arguments), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> Any:
    """``value`` as JSON that is equal exactly when the input is: references by identity, models by their fields.

    A model brings the code it is defined by (an objective's formula is in its class). A field marked
    ``presentation`` in its ``json_schema_extra`` is left out. Raises TypeError for anything whose
    digest would change from call to call (tensors, modules, open files).
    """
    if isinstance(value, Ref):
        return value.identity()
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        kept = {name: canonical(getattr(value, name)) for name in fields if not _is_presentation(fields[name])}
        kind = type(value)
        return {"model": kind.__name__, "code": module_digest(kind.__module__), "fields": kept}
    if isinstance(value, Mapping):
        return {str(name): canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be an input of a stage; pass a reference or a frozen model")


def _is_presentation(field: Any) -> bool:
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("presentation"))


@cache
def _library_versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


class StageCache(CachePolicy):
    """Prefect's side of the key: shared by every flow, guarded by a kernel lock, blind to lost artifacts.

    A result whose artifact is missing or damaged does not count as a hit: the stage runs again.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=_LOCKS)
        self.function = function

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """The key, or None (do not cache) where it cannot be computed; the stage then fails by itself."""
        key = stage_key(self.function, inputs)
        _forget_lost_result(key)
        return key


_LOCKS = KernelLockManager(is_cancelled)


def _forget_lost_result(key: str) -> None:
    """Blank Prefect's record of ``key`` if an artifact it points to is gone or damaged (then it is no hit)."""
    results = get_result_store()
    if results.exists(key) and not all(Store().exists(ref) for ref in refs_in(results.read(key).result)):
        storage: Any = results.result_storage
        storage.write_path(key, b"")


def refs_in(value: Any) -> list[Ref]:
    """Every reference in ``value``, at any depth of models, lists and mappings."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, BaseModel):
        return [ref for name in type(value).model_fields for ref in refs_in(getattr(value, name))]
    if isinstance(value, list | tuple):
        return [ref for item in value for ref in refs_in(item)]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in refs_in(item)]
    return []
