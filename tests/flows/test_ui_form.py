"""A run started the way a person starts it: in a browser, in the form, with one value changed."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from commands import Servers
from mlflow import MlflowClient

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
BETA = "0.37"
DONE = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on the path")


@pytest.fixture
def page() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def get(servers: Servers, path: str) -> Any:
    with urlopen(f"{servers.prefect}/api/{path}", timeout=10) as response:
        return json.load(response)


def finished(servers: Servers, flow_run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while (run := get(servers, f"flow_runs/{flow_run_id}"))["state_type"] not in DONE:
        assert time.monotonic() < deadline, run["state_type"]
        time.sleep(0.5)
    return dict(run)


def test_a_run_from_the_form_carries_the_changed_value(servers: Servers, page: Any, tmp_path: Path) -> None:
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if "127.0.0.1" not in request.url else None)
    deployment = get(servers, "deployments/name/dpo/smoke")["id"]
    page.goto(f"{servers.prefect}/deployments/deployment/{deployment}")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()

    policy = page.locator(".schema-form-property").filter(has_text=re.compile(r"^Policy \(Optional\)"))
    beta = policy.locator("input[type=number]")
    assert beta.input_value() == "0.1"
    assert "Strength of the KL anchor" in policy.inner_text()
    beta.fill(BETA)
    with page.expect_response(re.compile("create_flow_run")) as response:
        page.get_by_role("button", name="Submit").click()

    run = finished(servers, response.value.json()["id"])
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    client = MlflowClient(servers.mlflow)
    experiment = client.get_experiment_by_name("dpo")
    (tracked,) = client.search_runs(
        [experiment.experiment_id], f"tags.`prefect.flow_run_id` = '{run['id']}' and tags.level = 'run'"
    )
    assert tracked.data.params["policy.beta"] == BETA
    assert tracked.info.status == "FINISHED"

    page.goto(f"{servers.prefect}/runs/flow-run/{run['id']}")
    page.get_by_text("Completed").first.wait_for()
    page.screenshot(path=str(tmp_path / "flow-run.png"))
    assert strangers == []
