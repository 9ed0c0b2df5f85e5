"""What is wrong with a configuration, in one line that a person can act on."""

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeGuard

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from flows.hyperparameters import bounds_of


def explain(error: ValidationError, model: type[BaseModel], origin: Callable[[str], str]) -> str:
    """The first fault of ``error``: where it was given, the setting, the value and what is allowed.

    ``origin`` tells the file or the flag that a dotted path's value came from.
    """
    first, *others = error.errors()
    names = [str(part) for part in first["loc"]]
    path = ".".join(names)
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        return f"{origin(path)}: there is no setting '{path}'; {neighbours(model, names)}{more}"
    field = field_at(model, names)
    allowed = f" (allowed: {bounds_of(field)})" if field is not None and bounds_of(field) else ""
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    given = f"{path} = {first['input']!r}: " if path else ""
    return " ".join(f"{origin(path)}: {given}{message}{allowed}{more}".split())


def field_at(model: type[BaseModel], names: Sequence[str]) -> FieldInfo | None:
    """The field that ``names`` leads to; an item of a list is its list; None if there is no such field."""
    field: FieldInfo | None = None
    owner: Any = model
    for name in names:
        if not is_model(owner):
            return field
        field = owner.model_fields.get(name)
        if field is None:
            return None
        owner = field.annotation
    return field


def neighbours(model: type[BaseModel], names: Sequence[str]) -> str:
    """What could have been meant by ``names``: settings that are spelled alike, or those in the same place."""
    wanted = ".".join(names)
    others = [path for path in _paths(model) if not wanted.startswith(f"{path}.")]
    close = get_close_matches(wanted, others, n=3, cutoff=0.75)
    if close:
        return f"did you mean {' or '.join(close)}?"
    place = field_at(model, names[:-1])
    owner = place.annotation if place is not None else model
    path = ".".join(names[:-1])
    where = f"'{path}' has" if place is not None else "there are"
    return f"{where} {', '.join(owner.model_fields)}" if is_model(owner) else f"{where} no settings"


def is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    """Whether ``annotation`` is a configuration model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        if is_model(field.annotation):
            yield from _paths(field.annotation, f"{prefix}{name}.")
