"""``rlhf list``."""

from typing import Annotated

import typer

from flows.catalog import PAPERS
from flows.cli.output import grid, print_json, results
from flows.scales import sections


def list_papers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """The papers, the scales they run at and rough minutes of a first run (laptop: two CPU cores)."""
    papers = [
        {
            "key": key,
            "family": entry.family,
            "title": entry.title,
            "arxiv": entry.arxiv,
            "minutes": {scale: entry.minutes.get(scale) for scale in sections(key)},
        }
        for key, entry in PAPERS.items()
    ]
    if as_json:
        print_json(papers)
        return
    rows = [
        (key, entry.family, entry.title, ", ".join(f"{s} {_minutes(entry.minutes.get(s))}" for s in sections(key)))
        for key, entry in PAPERS.items()
    ]
    results.print(grid("Papers", ("paper", "family", "title", "scales (minutes)"), rows))


def _minutes(minutes: float | None) -> str:
    return "(?)" if minutes is None else f"({minutes:g})"
