"""``rlhf suites``."""

from typing import Annotated

import typer

from flows.cli.output import grid, print_json, results

JUDGES = {"no": "none", "compares": "compares two answers", "grades": "grades answers"}


def list_suites(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Every benchmark that a model can be put through, the judge that it needs, and its settings."""
    from flows.hyperparameters import hyperparameters
    from tasks.evaluation.suites.catalog import Suites

    fields, settings = Suites.model_fields, Suites()
    rows = [
        {
            "suite": name,
            "what": field.description or "",
            "judge": JUDGES[getattr(settings, name).needs_judge],
            "settings": [one.path for one in hyperparameters(getattr(settings, name))],
        }
        for name, field in fields.items()
    ]
    if as_json:
        print_json(rows)
        return
    lines = [(str(row["suite"]), str(row["what"]), str(row["judge"]), ", ".join(row["settings"])) for row in rows]
    results.print(
        grid(
            "Suites", ("suite", "what it measures", "judge", "settings (--set suite.name=...)"), lines, whole=("suite",)
        )
    )
