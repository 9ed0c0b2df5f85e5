"""The one list of papers. Looking a paper up here imports nothing; opening it imports its flow."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from prefect import Flow

    from flows.paper import Paper


@dataclass(frozen=True)
class Entry:
    """A paper as a list of papers shows it; its module exports the whole as ``PAPER``."""

    module: str
    title: str
    arxiv: str
    minutes: Mapping[str, float]
    """Scale → rough wall-clock minutes of a first run."""

    @property
    def family(self) -> str:
        """The part of the field that the paper belongs to: the folder its flow is in."""
        return self.module.split(".")[-2]


PAPERS: Mapping[str, Entry] = {
    "dpo": Entry(
        module="flows.preference.dpo",
        title="Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
        arxiv="2305.18290",
        minutes={"smoke": 0.5, "laptop": 9.0, "gpu": 120.0},
    ),
}


def find_entry(key: str) -> Entry:
    """The entry of ``key``. Raises UserError naming the papers that are spelled alike."""
    if key in PAPERS:
        return PAPERS[key]
    close = get_close_matches(key.lower(), PAPERS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`rlhf list` names them all"
    raise UserError(f"there is no paper '{key}'; {hint}")


def open_paper(key: str) -> "Paper":
    """The paper itself: configuration model, claims, arms and flow. Raises UserError if there is none."""
    paper: Paper = importlib.import_module(find_entry(key).module).PAPER
    return paper


def open_flow(paper: "Paper") -> "Flow[..., Any]":
    """The Prefect flow of ``paper``; its one parameter is ``config``."""
    module, _, function = paper.flow.partition(":")
    found: Flow[..., Any] = getattr(importlib.import_module(module), function)
    return found
