"""``rlhf show``."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from flows.cli.output import grid, number, print_json, results
from flows.hyperparameters import Hyperparameter, hyperparameters, setting
from tasks.engine.home import prepare_environment

if TYPE_CHECKING:
    from flows.paper import Paper, PaperConfig


def show_paper(
    paper: Annotated[str, typer.Argument(help="Key of the paper; `rlhf list` names them.")],
    scale: Annotated[str, typer.Option(help="Show the values of this scale.")] = "laptop",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """A paper's idea, arms, claims and every hyperparameter with its provenance."""
    from flows.catalog import find_entry, open_paper
    from flows.scales import load_config, section_of

    find_entry(paper)
    section_of(paper, scale)
    prepare_environment()
    opened = open_paper(paper)
    config = load_config(opened, scale)
    settings = hyperparameters(opened.config())
    if as_json:
        print_json(_document(opened, scale, config, settings))
    else:
        _print(opened, scale, config, settings)


def _document(paper: "Paper", scale: str, config: "PaperConfig", settings: list[Hyperparameter]) -> dict[str, Any]:
    return {
        "key": paper.key,
        "title": paper.title,
        "arxiv": paper.arxiv,
        "family": paper.family,
        "summary": paper.summary,
        "arms": dict(paper.arms),
        "claims": [
            {"key": claim.key, "statement": claim.statement, "source": claim.source, "paper_value": claim.paper_value}
            for claim in paper.claims
        ],
        "scale": scale,
        "hyperparameters": [asdict(one) | {"value": setting(config, one.path)} for one in settings],
    }


def _print(paper: "Paper", scale: str, config: "PaperConfig", settings: list[Hyperparameter]) -> None:
    source = f" (arXiv {paper.arxiv})" if paper.arxiv else ""
    results.print(f"[bold]{paper.title}[/bold]{source}\n{paper.summary}\n")
    results.print(grid("Arms", ("arm", "what it is"), list(paper.arms.items())))
    claims = [(claim.key, claim.statement, claim.source, claim.paper_value) for claim in paper.claims]
    if claims:
        results.print(grid("Claims", ("claim", "statement", "source", "paper"), claims))
    rows = [
        (
            f"[bold]{one.path}[/]\n{escape(one.description)}",
            _shown(setting(config, one.path)),
            _shown(one.default),
            escape(one.bounds),
        )
        for one in settings
    ]
    results.print(grid("Hyperparameters", ("setting", f"at {scale}", "default", "allowed"), rows))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "none"
    return number(value) if value != "" else "none"
