"""A run of toy stages. ``python toy_flow.py PLAN_JSON`` makes it in a process of its own, to be killed there."""

import signal
import sys

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from toy_stages import Toy, fit_line, refuse, stumble, write_rows

from tasks.engine.home import prepare_environment
from tasks.engine.schema import Frozen
from tasks.engine.session import arm, paper_run

PAPER = "toy"


class Plan(Frozen):
    rows: int = 5
    arms: dict[str, Toy]
    broken: bool = False
    """Add an arm that raises and one that the user has to put right."""


@flow(name=PAPER)
def toy_flow(plan: Plan) -> dict[str, str]:
    """Digest of each arm's weights."""
    with paper_run(PAPER, plan, {"family": "toy"}):
        rows = write_rows.submit(plan.rows)
        pending = {}
        for name, toy in plan.arms.items():
            with arm(name, seed=0):
                pending[name] = fit_line.submit(rows, toy)
        if plan.broken:
            with arm("stumbles", seed=0):
                stumble.submit("seven eighths").wait()
            with arm("refuses", seed=0):
                refuse.submit("line 3: no field 'rejected'").wait()
        return {name: future.result().digest for name, future in pending.items()}


def main() -> None:
    prepare_environment()
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        toy_flow(Plan.model_validate_json(sys.argv[1]))


if __name__ == "__main__":
    # A shell starts background jobs with SIGINT ignored, and this process would inherit that from the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
