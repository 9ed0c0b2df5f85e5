from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.catalog import PAPERS, open_paper
from flows.drafting import Draft
from flows.hyperparameters import hyperparameters, setting
from flows.scales import WITH_DATA, load_config, section_of, sections
from tasks.engine.schema import UserError

DPO = open_paper("dpo")
EVERY = [(key, scale) for key in PAPERS for scale in sections(key)]


@pytest.mark.parametrize(("key", "scale"), EVERY)
@pytest.mark.parametrize("data", ["", "org/name"])
def test_every_scale_of_every_paper_is_a_configuration(key: str, scale: str, data: str) -> None:
    assert load_config(open_paper(key), scale, data=data).scale == scale


def test_what_a_section_leaves_out_keeps_its_default() -> None:
    smoke, default = load_config(DPO, "smoke"), DPO.config()
    named = {path for path, _ in leaves(section_of("dpo", "smoke"))}
    for one in hyperparameters(default):
        if one.path not in named:
            assert setting(smoke, one.path) == one.default, one.path


@given(st.floats(min_value=1e-4, max_value=100.0), st.integers(0, 2**32 - 1))
def test_what_is_set_is_what_runs(beta: float, seed: int) -> None:
    config = load_config(DPO, "smoke", [f"policy.beta={beta!r}"], seeds=[seed])
    assert setting(config, "policy.beta") == beta
    assert config.seeds == [seed]
    assert config.model_dump(exclude={"policy", "seeds"}) == load_config(DPO, "smoke").model_dump(
        exclude={"policy", "seeds"}
    )


def test_the_last_setting_wins_and_text_stays_text() -> None:
    config = load_config(DPO, "smoke", ["data.split=2024", "policy.beta=0.3", "policy={beta: 0.7}", "sweep_betas=[2]"])
    assert setting(config, "data.split") == "2024"
    assert setting(config, "policy.beta") == 0.7
    assert setting(config, "sweep_betas") == [2.0]


def test_real_data_brings_its_own_settings_and_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pairs.jsonl").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    config = load_config(DPO, "smoke", data="pairs.jsonl")
    assert setting(config, "data.path") == str(tmp_path / "pairs.jsonl")
    for path, value in leaves(section_of("dpo", "smoke")[WITH_DATA]):
        assert setting(config, path) == value
    assert setting(load_config(DPO, "smoke", data="*.jsonl"), "data.path") == str(tmp_path / "*.jsonl")
    assert setting(load_config(DPO, "smoke", data="Anthropic/hh-rlhf"), "data.path") == "Anthropic/hh-rlhf"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"overrides": ["policy.betta=1"]}, ["--set policy.betta=1", "'policy.betta'", "policy.beta"]),
        ({"overrides": ["plicy.beta=1"]}, ["--set plicy.beta=1", "policy"]),
        ({"overrides": ["policy.zzz=1"]}, ["'policy.zzz'", "'policy' has beta"]),
        ({"overrides": ["policy.beta=1000"]}, ["policy.beta = 1000", "0.0001 to 100"]),
        ({"overrides": ["policy.beta=large"]}, ["policy.beta = 'large'", "valid number"]),
        ({"overrides": ["world.family=poetry"]}, ["world.family = 'poetry'", "tldr, hh, gsm, code, instruct"]),
        ({"overrides": ["seeds=[]"]}, ["seeds = []", "1 to 100 items"]),
        ({"overrides": ["policy=3"]}, ["policy = 3", "DPO"]),
        ({"overrides": ["policy.beta"]}, ["--set policy.beta:", "path=value"]),
        ({"overrides": ["policy.beta=[1"]}, ["--set policy.beta=[1", "YAML"]),
        ({"overrides": ["policy.beta=1000", "ipo.tau=-1"]}, ["(and 1 more)"]),
        ({"arms": ["grpo"]}, ["--arms grpo", "sft, preferred_ft"]),
        ({"data": "/nowhere/pairs.jsonl"}, ["--data /nowhere/pairs.jsonl", "no such file"]),
        ({"data": "missing.jsonl.gz"}, ["no such file"]),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments: dict[str, Any], wanted: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_config(DPO, "smoke", **arguments)
    message = str(caught.value)
    assert "\n" not in message
    for part in wanted:
        assert part in message


def test_an_unknown_scale_names_those_there_are() -> None:
    with pytest.raises(UserError, match="no scale 'huge'; it has smoke, laptop, gpu"):
        load_config(DPO, "huge")


def leaves(values: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted paths and values of nested mappings; an empty prefix for the whole."""
    return [
        leaf
        for name, value in values.items()
        for leaf in (leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)])
    ]


def test_another_kind_leaves_nothing_of_the_old_one():
    draft = Draft({"kl": {"kind": "adaptive", "coefficient": 0.1, "target": 6.0}, "beta": 1.0})
    draft.merge({"kl": {"coefficient": 0.2, "kind": "fixed"}}, "file")
    assert draft.values == {"kl": {"kind": "fixed", "coefficient": 0.2}, "beta": 1.0}
    draft.merge({"kl": {"kind": "fixed"}}, "flag")
    assert draft.values["kl"] == {"kind": "fixed", "coefficient": 0.2}
