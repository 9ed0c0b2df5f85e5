"""Settings are read by forms and servers: they bring no torch with them, and survive the way through JSON."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.engine.worker import decode, encode
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.sources import FittedReward, RewardAndCost, RewardSource

SOURCES, OBJECTIVES = TypeAdapter(RewardSource), TypeAdapter(RewardObjective)


def test_settings_and_stages_do_without_torch():
    code = "import sys, tasks.reward.stages, tasks.reward.function; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", ["gold", "fitted", "noisy_gold", "code_tests", "reward_and_cost"])
def test_a_source_is_chosen_by_its_kind(kind):
    source = SOURCES.validate_python({"kind": kind})
    assert source.kind == kind
    assert SOURCES.validate_json(source.model_dump_json()) == source
    assert decode(encode(source)) == source


@pytest.mark.parametrize("kind", ["bradley_terry", "token_bradley_terry", "odin", "cost"])
def test_an_objective_is_chosen_by_its_kind(kind):
    objective = OBJECTIVES.validate_python({"kind": kind})
    assert decode(encode(objective)) == objective
    assert len(objective.heads) >= 1


def test_nested_sources_keep_their_kind():
    source = RewardAndCost(reward=FittedReward(aggregate="mean"))
    assert decode(encode(source)).reward.aggregate == "mean"


def test_every_setting_is_described():
    for adapter in (SOURCES, OBJECTIVES):
        for model in adapter.json_schema()["$defs"].values():
            for name, field in model["properties"].items():
                assert name in {"kind", "digest", "bytes", "made_by", "name", "rows"} or field.get("description"), name


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValidationError):
        SOURCES.validate_python({"kind": "oracle"})
