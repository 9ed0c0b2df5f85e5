"""From a scale and what the user typed to a paper's configuration: ``configs/papers/<key>.yaml`` over defaults."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from flows.drafting import Draft, locate, parse_override
from flows.explaining import explain
from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from flows.paper import Paper, PaperConfig

WITH_DATA = "with_data"
"""Key of a scale's section whose settings hold only where real data is given."""


def load_config(
    paper: "Paper",
    scale: str,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (),
    arms: Sequence[str] = (),
    data: str = "",
    suites: Sequence[str] = (),
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
    if suites:
        draft.merge({"benchmarks": {"suites": list(suites)}}, "--suites")
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


def known_arms(paper: "Paper", arms: Sequence[str]) -> list[str]:
    """``arms`` if the paper has them all. Raises UserError naming those it has."""
    for arm in arms:
        if arm not in paper.arms:
            raise UserError(f"--arms {arm}: {paper.key} has no such arm; it has {', '.join(paper.arms)}")
    return list(arms)
