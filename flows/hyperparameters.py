"""A configuration model laid out flat: every setting with its path, type, default, bounds and description."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

WORDS = {"ge": "at least", "le": "at most", "min_length": "at least", "max_length": "at most", "pattern": "matching"}


@dataclass(frozen=True)
class Hyperparameter:
    """One setting. ``bounds`` is prose such as ``0 to 10`` or ``byte, char``; empty if anything goes."""

    path: str
    kind: str
    default: Any
    bounds: str
    description: str


def hyperparameters(model: BaseModel, prefix: str = "") -> list[Hyperparameter]:
    """Every setting of ``model``, in the order of its definition; ``default`` is the value that it has there."""
    return list(_walk(model, prefix))


def setting(model: BaseModel, path: str) -> Any:
    """The value at a dotted ``path``. Raises AttributeError if there is none."""
    value: Any = model
    for name in path.split("."):
        value = getattr(value, name)
    return value


def bounds_of(field: FieldInfo) -> str:
    """What a field allows, in words."""
    annotation = _item(field.annotation)
    if get_origin(annotation) is Literal:
        return ", ".join(str(choice) for choice in get_args(annotation))
    limits = {name: limit for item in field.metadata for name, limit in _limits(item)}
    if {"ge", "le"} <= limits.keys():
        return f"{_plain(limits['ge'])} to {_plain(limits['le'])}"
    unit = "characters" if field.annotation is str else "items"
    if {"min_length", "max_length"} <= limits.keys():
        return f"{limits['min_length']} to {limits['max_length']} {unit}"
    units = {"min_length": f" {unit}", "max_length": f" {unit}"}
    return ", ".join(f"{WORDS[name]} {limit}{units.get(name, '')}" for name, limit in limits.items())


def _walk(model: BaseModel, prefix: str) -> Iterator[Hyperparameter]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _walk(value, f"{prefix}{name}.")
        else:
            kind = getattr(field.annotation, "__name__", str(field.annotation))
            yield Hyperparameter(prefix + name, kind, value, bounds_of(field), field.description or "")


def _plain(limit: float) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"


def _item(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is list else annotation


def _limits(item: Any) -> Iterator[tuple[str, Any]]:
    for name in WORDS:
        limit = getattr(item, name, None)
        if limit is not None:
            yield name, limit
