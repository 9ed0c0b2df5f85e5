"""The ``rlhf`` command."""

import os
import sys

import typer

from flows.cli import clean, compare, evaluate, listing, run, show, suites, up, verdicts
from flows.cli.output import say_error
from tasks.engine.schema import UserError

HELP = """Matched, claim-tested comparisons of methods that learn from preferences.

Exit codes:

- 0: all went well.
- 1: something crashed.
- 2: a mistake in the command, a file or a setting; one line says which.
- 3: the run ended, but some of its arms failed.
- 130: interrupted; the same command resumes.

Work is kept in $RLHF_HOME (default: .rlhf in the current folder).
"""

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
app.command("list")(listing.list_papers)
app.command("show")(show.show_paper)
app.command("run")(run.run_paper)
app.command("evaluate")(evaluate.evaluate_model)
app.command("suites")(suites.list_suites)
app.command("compare")(compare.compare_runs)
app.command("verdicts")(verdicts.show_verdicts)
app.command("up")(up.serve_everything)
app.command("clean")(clean.clean_home)


def main() -> None:
    """Entry point: a UserError ends in one red line and exit code 2, never in a traceback."""
    # MLflow's links would stand between our own lines, and inside JSON.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        app()
    except UserError as error:
        say_error(str(error))
        sys.exit(error.exit_code)
