import functools
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.deployments.runner import RunnerDeployment
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate

from flows.catalog import PAPERS, open_flow, open_paper
from flows.deployments import build_deployments, deployment_names, paper_deployments
from flows.evaluation.configuring import evaluation_config
from flows.evaluation.evaluate import evaluate
from flows.scales import load_config

DEPLOYMENTS = {f"{one.flow_name}/{one.name}": one for one in build_deployments({})}
PAPER_DEPLOYMENTS = paper_deployments()


@functools.cache
def schema_of(key: str) -> dict[str, Any]:
    flow = evaluate if key == "evaluate" else open_flow(open_paper(key))
    return parameter_schema(flow).model_dump_for_openapi()


def test_every_paper_has_a_deployment_for_every_scale() -> None:
    assert list(DEPLOYMENTS) == deployment_names()
    assert {"dpo/smoke", "dpo/laptop", "dpo/gpu", "evaluate/benchmarks"} <= set(DEPLOYMENTS)


def test_evaluation_opens_with_what_the_command_line_takes_for_granted() -> None:
    deployment = DEPLOYMENTS["evaluate/benchmarks"]
    assert deployment.parameters["config"] == evaluation_config({}).model_dump(mode="json")
    assert not deployment.schedules


@pytest.mark.parametrize("name", PAPER_DEPLOYMENTS)
def test_a_deployment_runs_what_the_command_line_runs(name: str) -> None:
    deployment, (key, scale) = DEPLOYMENTS[name], name.split("/")
    paper = open_paper(key)
    assert paper.config.model_validate(deployment.parameters["config"]) == load_config(paper, scale)
    module, _, function = str(deployment.entrypoint).rpartition(".")
    assert getattr(importlib.import_module(module), function) is open_flow(paper)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_form_opens_with_values_that_it_accepts(name: str) -> None:
    validate(
        DEPLOYMENTS[name].parameters,
        schema_of(name.split("/", maxsplit=1)[0]),
        raise_on_error=True,
        ignore_required=False,
    )


@pytest.mark.parametrize("name", PAPER_DEPLOYMENTS)
def test_nightly_runs_never_queue_and_gpu_sleeps(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    assert [(one.slug, one.active) for one in deployment.schedules or []] == [("nightly", not name.endswith("/gpu"))]
    assert deployment.concurrency_options is not None
    assert deployment.concurrency_options.collision_strategy.value == "CANCEL_NEW"


def test_a_nightly_schedule_stays_as_somebody_set_it() -> None:
    switched = {f"{one.flow_name}/{one.name}": one for one in build_deployments({"dpo/gpu": True, "dpo/smoke": False})}
    assert active(switched["dpo/gpu"]) is True
    assert active(switched["dpo/smoke"]) is False
    assert active(switched["dpo/laptop"]) is True


@pytest.mark.parametrize("key", [*PAPERS, "evaluate"])
def test_the_form_shows_every_field_well(key: str) -> None:
    schema = schema_of(key)
    fields = list(form_fields(schema))
    assert len(fields) > 5
    for path, field in fields:
        if "const" in field:
            assert field["default"] == field["const"], f"{path} is a tag that a form can leave out"
            continue
        assert "description" in field, f"{path} has no description"
        assert "default" in field, f"{path} has no default"
        assert field["default"] is not None, f"{path} has a default that JSON lacks"
        assert "anyOf" not in field, f"{path} is drawn as tabs"
        assert "oneOf" not in field or opens_on_its_default(schema, field), f"{path} opens on another choice"
        assert {"$ref", "type", "enum", "oneOf", "allOf"} & set(field), f"{path} has no type"
        assert field.get("type") != "object", f"{path} is drawn as a JSON editor"
        assert "prefixItems" not in field, f"{path} loses its arity"
        assert not {"exclusiveMinimum", "exclusiveMaximum"} & set(field), f"{path}: the form ignores open bounds"


def opens_on_its_default(schema: dict[str, Any], field: dict[str, Any]) -> bool:
    """Whether Prefect's form shows a choice by ``kind`` as it is: it opens the first of those that share most keys.

    The tag is not looked at, and choices are told apart by their titles.
    """
    models = [schema["definitions"][arm["$ref"].rpartition("/")[2]] for arm in field["oneOf"]]
    shared = [len(field["default"].keys() & model["properties"].keys()) for model in models]
    opened = models[shared.index(max(shared))]
    titles = {model["title"] for model in models}
    return len(titles) == len(models) and opened["properties"]["kind"]["const"] == field["default"]["kind"]


def form_fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of every model in the schema."""
    models = schema.get("definitions", {})
    assert set(schema["properties"]) == {"config"}
    for model, definition in models.items():
        if "properties" in definition:
            assert definition.get("additionalProperties") is False, f"{model} takes unknown keys"
            for name, field in definition["properties"].items():
                yield f"{model}.{name}", field


def active(deployment: RunnerDeployment) -> bool | None:
    (schedule,) = deployment.schedules or []
    return schedule.active
