"""A person at Prefect's pages: opening a deployment's form, filling it in, submitting it, waiting for the run."""

import json
import re
import shutil
import time
from collections.abc import Mapping
from typing import Any
from urllib.request import Request, urlopen

from commands import Servers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
DONE = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE_SECONDS = 240


def get(servers: Servers, path: str, wanted: Mapping[str, Any] | None = None) -> Any:
    """What Prefect's API answers; with a filter, to a POST."""
    body = json.dumps(wanted).encode() if wanted is not None else None
    request = Request(f"{servers.prefect}/api/{path}", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as response:
        return json.load(response)


def open_form(page: Any, servers: Servers, deployment: str) -> None:
    """The form of a custom run."""
    page.goto(f"{servers.prefect}/deployments/deployment/{get(servers, f'deployments/name/{deployment}')['id']}")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()


def property_of(page: Any, label: str) -> Any:
    """The fields whose label is ``label``, in the form's order."""
    return page.locator(".schema-form-property").filter(has_text=re.compile(rf"^{label} \(Optional\)"))


def choose(page: Any, field: Any, *options: str) -> None:
    """Click options in the first list of a field: of a list of several, what is chosen is chosen no more."""
    field.locator(".p-select-button__icon").first.click(force=True)
    for option in options:
        page.locator(".p-select-option").filter(has_text=re.compile(rf"^\s*{option}\s*$")).click()
    page.keyboard.press("Escape")


def submit(page: Any) -> str:
    """Submit the form; the id of the flow run that was made."""
    with page.expect_response(re.compile("create_flow_run")) as response:
        page.get_by_role("button", name="Submit").click()
    return str(response.value.json()["id"])


def finished(servers: Servers, flow_run_id: str) -> dict[str, Any]:
    """The flow run once it has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (run := get(servers, f"flow_runs/{flow_run_id}"))["state_type"] not in DONE:
        assert time.monotonic() < deadline, run["state_type"]
        time.sleep(0.5)
    return dict(run)
