"""Values on their way to a configuration: what was typed, over defaults, each remembering where it came from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel

from flows.explaining import field_at
from tasks.engine.schema import UserError

KIND = "kind"
"""The field that says which of several models a mapping is."""
LOOKS_LOCAL = re.compile(r"^[.~/]|[*?]|\.(jsonl?|gz|parquet|arrow)$")


@dataclass
class Draft:
    """Values on their way to a configuration, each with where it came from."""

    values: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)

    def merge(self, overrides: Mapping[str, Any], origin: str) -> None:
        """Lay ``overrides`` over the values, mapping by mapping; another ``kind`` leaves nothing of the old one."""
        for path, value in _leaves(overrides):
            *parents, name = path
            place = self.values
            for parent in parents:
                inner = place.get(parent)
                place[parent] = place = dict(inner) if isinstance(inner, Mapping) else {}
            if name == KIND and place.get(KIND, value) != value:
                place.clear()
            place[name] = value
            self.origins[".".join(path)] = origin

    def origin(self, path: str) -> str:
        """Where the value at ``path`` came from: set there, as part of what holds it, or of what it holds."""
        names = path.split(".")
        holders = [".".join(names[:length]) for length in range(len(names), 0, -1)]
        held = [known for known in self.origins if known.startswith(f"{path}.")]
        return next((self.origins[known] for known in holders + held if known in self.origins), "")


def locate(data: str) -> str:
    """``data`` as an absolute path where it names files or a folder here, else (a Hub id) as it is.

    Raises UserError for what can only be a path and is not there.
    """
    path = Path(data).expanduser().absolute()
    if path.exists() or any(Path(path.anchor).glob(str(path.relative_to(path.anchor)))):
        return str(path)
    if LOOKS_LOCAL.search(data):
        raise UserError(f"--data {data}: no such file or folder")
    return data


def parse_override(text: str, model: type[BaseModel]) -> dict[str, Any]:
    """``a.b=value`` as a nested mapping; the value is YAML, except where the setting is text.

    A list may be written without its brackets: ``parts=E1,E4``.
    """
    path, equals, raw = text.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise UserError(f"--set {text}: write it as path=value, e.g. --set policy.beta=0.05")
    target = field_at(model, names)
    listed = target is not None and get_origin(target.annotation) is list
    try:
        value = yaml.safe_load(f"[{raw}]" if listed and not raw.lstrip().startswith("[") else raw)
    except yaml.YAMLError as error:
        raise UserError(f"--set {text}: the value is not YAML") from error
    value = raw if target is not None and target.annotation is str else value
    for name in reversed(names):
        value = {name: value}
    return dict(value)


def _leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in sorted(values.items(), key=lambda item: item[0] != KIND):
        if isinstance(value, Mapping):
            yield from _leaves(value, (*prefix, str(name)))
        else:
            yield (*prefix, str(name)), value
