"""From a scale and what the user typed to a paper's configuration: ``configs/papers/<key>.yaml`` over defaults."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from flows.explaining import explain, field_at
from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from flows.paper import Paper, PaperConfig

WITH_DATA = "with_data"
"""Key of a scale's section whose settings hold only where real data is given."""
LOOKS_LOCAL = re.compile(r"^[.~/]|[*?]|\.(jsonl?|gz|parquet|arrow)$")


@dataclass
class Draft:
    """Values on their way to a configuration, each with where it came from."""

    values: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)

    def merge(self, overrides: Mapping[str, Any], origin: str) -> None:
        """Lay ``overrides`` over the values, mapping by mapping."""
        for path, value in _leaves(overrides):
            *parents, name = path
            place = self.values
            for parent in parents:
                inner = place.get(parent)
                place[parent] = place = dict(inner) if isinstance(inner, Mapping) else {}
            place[name] = value
            self.origins[".".join(path)] = origin

    def origin(self, path: str) -> str:
        """Where the value at ``path`` came from: set there, as part of what holds it, or of what it holds."""
        names = path.split(".")
        holders = [".".join(names[:length]) for length in range(len(names), 0, -1)]
        held = [known for known in self.origins if known.startswith(f"{path}.")]
        return next((self.origins[known] for known in holders + held if known in self.origins), "")


def load_config(
    paper: "Paper",
    scale: str,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (),
    arms: Sequence[str] = (),
    data: str = "",
) -> "PaperConfig":
    """The configuration of ``paper`` at ``scale``, with ``path=value`` overrides on top.

    ``data`` is a file, a folder or a Hub id; it also brings the scale's settings for real data. Raises UserError
    naming file or flag, key, value and what is allowed.
    """
    section = dict(section_of(paper.key, scale))
    with_data = section.pop(WITH_DATA, {})
    draft = Draft(paper.config().model_dump(mode="json"))
    where = f"configs/papers/{paper.key}.yaml ({scale})"
    draft.merge(section, where)
    if data:
        draft.merge(with_data, where)
        draft.merge({"data": {"path": locate(data)}}, f"--data {data}")
    if seeds:
        draft.merge({"seeds": list(seeds)}, "--seeds")
    if arms:
        draft.merge({"arms": known_arms(paper, arms)}, "--arms")
    for override in overrides:
        draft.merge(parse_override(override, paper.config), f"--set {override}")
    draft.merge({"scale": scale}, "--scale")
    try:
        return paper.config.model_validate(draft.values)
    except ValidationError as error:
        raise UserError(explain(error, paper.config, draft.origin)) from error


def section_of(key: str, scale: str) -> Mapping[str, Any]:
    """The overrides of paper ``key`` at ``scale``. Raises UserError naming the scales that there are."""
    found = sections(key)
    if scale not in found:
        raise UserError(f"{key} has no scale '{scale}'; it has {', '.join(found)}")
    return found[scale]


@cache
def sections(key: str) -> Mapping[str, Mapping[str, Any]]:
    """Scale → overrides, from the paper's YAML file."""
    text = (files("configs") / "papers" / f"{key}.yaml").read_text()
    found: dict[str, dict[str, Any] | None] = yaml.safe_load(text)
    return {scale: section or {} for scale, section in found.items()}


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


def known_arms(paper: "Paper", arms: Sequence[str]) -> list[str]:
    """``arms`` if the paper has them all. Raises UserError naming those it has."""
    for arm in arms:
        if arm not in paper.arms:
            raise UserError(f"--arms {arm}: {paper.key} has no such arm; it has {', '.join(paper.arms)}")
    return list(arms)


def parse_override(text: str, model: type[BaseModel]) -> dict[str, Any]:
    """``a.b=value`` as a nested mapping; the value is YAML, except where the setting is text."""
    path, equals, raw = text.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise UserError(f"--set {text}: write it as path=value, e.g. --set policy.beta=0.05")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise UserError(f"--set {text}: the value is not YAML") from error
    target = field_at(model, names)
    value = raw if target is not None and target.annotation is str else value
    for name in reversed(names):
        value = {name: value}
    return dict(value)


def _leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*prefix, str(name)))
        else:
            yield (*prefix, str(name)), value
