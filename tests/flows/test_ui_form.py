"""A run started the way a person starts it: in a browser, in the form, with one value changed."""

from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, finished, open_form, property_of, submit
from commands import Servers
from mlflow import MlflowClient

BETA = "0.37"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on the path")


def test_a_run_from_the_form_carries_the_changed_value(servers: Servers, page: Any, tmp_path: Path) -> None:
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if "127.0.0.1" not in request.url else None)
    open_form(page, servers, "dpo/smoke")

    policy = property_of(page, "Policy")
    beta = policy.locator("input[type=number]")
    assert beta.input_value() == "0.1"
    assert "Strength of the KL anchor" in policy.inner_text()
    beta.fill(BETA)
    run = finished(servers, submit(page))
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
