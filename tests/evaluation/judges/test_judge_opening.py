"""From the form to the judge, and what is refused before anything is computed."""

import subprocess
import sys
from pathlib import Path

import pytest
from judging_templates import Checksum, ChecksumGrade, comparisons
from pydantic import ValidationError

from tasks.data.rows import Message, user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Grading, conversation
from tasks.evaluation.judges.keys import find_key, is_local
from tasks.evaluation.judges.no_judge import NoJudge, require_judge
from tasks.evaluation.judges.opening import check_judge, open_judge
from tasks.evaluation.judges.settings import JudgeSettings

ROOT = Path(__file__).resolve().parents[3]
REMOTE = "https://judge.example/v1"


@pytest.fixture(autouse=True)
def own_home(rlhf_home: Path) -> Path:
    return rlhf_home


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (JudgeSettings(kind="endpoint", model="gpt"), "judge.base_url is not set"),
        (JudgeSettings(kind="endpoint", base_url=REMOTE), "judge.model is not set"),
        (JudgeSettings(kind="local"), "judge.model is not set"),
        (JudgeSettings(kind="reward_model"), "judge.model is not set"),
        (JudgeSettings(kind="recorded"), "no recorded verdicts were given"),
        (JudgeSettings(kind="local", model="./absent"), "no model at './absent'"),
        (JudgeSettings(model="./absent"), "no model at './absent'"),
        (JudgeSettings(base_url=REMOTE, model="m", api_key_variable="ABSENT_KEY"), "variable ABSENT_KEY is not set"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_computed(settings: JudgeSettings, missing: str) -> None:
    for refuse in (open_judge, check_judge):
        with pytest.raises(UserError, match=missing):
            refuse(settings)


def test_kinds_are_opened() -> None:
    assert open_judge(JudgeSettings()).kind == "none"
    assert open_judge(JudgeSettings(kind="gold")).name == "gold"
    assert open_judge(JudgeSettings(kind="biased_gold")).name == "biased_gold"
    row = {"instruction": "x", "output_1": "a", "output_2": "b", "preference": 1.0}
    assert open_judge(JudgeSettings(), [row]).kind == "recorded"
    endpoint = open_judge(JudgeSettings(base_url=f"{REMOTE}/", model="gpt", api_key_variable=""))
    assert (endpoint.kind, endpoint.name, endpoint.version) == ("chat", "gpt", REMOTE)
    named = open_judge(JudgeSettings(base_url="http://localhost:8000/v1", model="gpt", revision="mine"))
    assert named.version == "mine"


def test_no_judge_says_what_to_set() -> None:
    for refused in (
        lambda: NoJudge().compare(comparisons(2), Checksum()),
        lambda: NoJudge().grade([Grading("g", user_prompt("x"), "y")], ChecksumGrade()),
        lambda: require_judge(NoJudge(), "alpaca_eval"),
    ):
        with pytest.raises(UserError, match=r"judge.base_url and judge.model"):
            refused()
    require_judge(open_judge(JudgeSettings(kind="gold")), "tiny_world")


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key_variable": "sk-proj-123"},
        {"base_url": "https://user:sk-proj-123@judge.example/v1"},
        {"base_url": "https://judge.example/v1?key=sk-proj-123"},
        {"base_url": "judge.example sk-proj-123"},
        {"api_key_block": "sk_proj sk-proj-123"},
        {"api_key_block": "sk-proj-123"},
        {"api_key_variable": "gsk_sk-proj-123".replace("-", "_")},
    ],
)
def test_a_key_typed_into_the_form_is_refused_and_not_repeated(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as raised:
        JudgeSettings(**fields)  # type: ignore[arg-type]
    assert "proj" not in str(raised.value)


@pytest.mark.parametrize("key", ["sk-first\nsk-second", "sk-ab\u2026yz", "sk-\x1b[0m"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("JUDGE_KEY", key)
    with pytest.raises(UserError, match="the key in environment variable JUDGE_KEY has a line break") as raised:
        find_key(JudgeSettings(base_url=REMOTE, model="m", api_key_variable="JUDGE_KEY"))
    assert "sk-" not in str(raised.value)


def test_addresses_of_this_machine() -> None:
    assert all(map(is_local, ["http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:80/v1"]))
    assert not any(map(is_local, [REMOTE, "http://10.0.0.3/v1", "http://localhost.example/v1"]))


def test_a_key_comes_from_a_prefect_block(prefect_server: str) -> None:
    from prefect.blocks.system import Secret

    Secret(value="sk-block").save("judge-key", _sync=True)  # type: ignore[call-arg]
    settings = JudgeSettings(base_url=REMOTE, model="m", api_key_block="judge-key")
    assert find_key(settings).get_secret_value() == "sk-block"
    assert "sk-block" not in repr(find_key(settings))
    with pytest.raises(UserError, match="Prefect Secret block 'absent' cannot be read"):
        find_key(settings.model_copy(update={"api_key_block": "absent"}))


def test_earlier_responses_go_between_user_turns() -> None:
    def turn(role: str, content: str) -> Message:
        return Message(role=role, content=content)

    asked = [turn("system", "s"), turn("user", "a"), turn("user", "b"), turn("user", "c")]
    told = conversation(asked, ["1", "2"])
    assert [message["content"] for message in told] == ["s", "a", "1", "b", "2", "c"]
    assert conversation(asked, []) == asked
    assert conversation(told, ["3"]) == told


@pytest.mark.parametrize("module", ["judge", "settings", "no_judge", "cache", "chat", "opening", "both_orders", "gold"])
def test_what_a_form_imports_leaves_heavy_libraries_alone(module: str) -> None:
    heavy = {"torch", "transformers", "openai", "prefect"}
    code = f"import sys, tasks.evaluation.judges.{module}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
