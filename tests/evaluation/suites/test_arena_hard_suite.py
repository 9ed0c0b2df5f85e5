import gzip
import json
import re

import numpy as np
import pytest

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.chat_judge import ChatJudge
from tasks.evaluation.judges.judge import Comparison, Completion
from tasks.evaluation.judges.no_judge import NoJudge
from tasks.evaluation.suites.arena_hard import ArenaHard
from tasks.evaluation.suites.arena_hard_style import (
    count_pieces,
)
from tasks.evaluation.suites.arena_hard_templates import (
    CONTINUE,
    SYSTEM,
    SYSTEM_CREATIVE,
    template_of,
)
from tasks.evaluation.suites.suite import Answer

ANSWERS = re.compile(r"<\|The Start of Assistant A's Answer\|>\n(.*?)\n<\|The End.*"
                     r"Assistant B's Answer\|>\n(.*)\n<\|The End", re.DOTALL)  # fmt: skip


class ScriptedModel:
    """A chat model that says what a function of the request says."""

    name, version = "scripted", "1"

    def __init__(self, say):
        self.say, self.requests = say, []

    def complete(self, requests):
        self.requests += requests
        return [Completion(self.say(request)) for request in requests]


def judge_that(say):
    model = ScriptedModel(say)
    return ChatJudge(model, model.name, model.version), model


def prefer_longer(request):
    first, second = ANSWERS.search(request.messages[1]["content"]).groups()
    longer = "B" if len(second) > len(first) else "A"
    other = "A" if longer == "B" else "B"
    return (
        f"Both are fine. My final verdict is: [[{longer}{'>>' if abs(len(first) - len(second)) > 900 else '>'}{other}]]"
    )


def real_answers(shared_data, suite, model="gpt-4-0613"):
    with gzip.open(shared_data / f"arena_hard/model_answer/{model}.jsonl.gz", "rt") as stream:
        rows = {row["uid"]: row for row in map(json.loads, stream)}
    return {
        question.prompt_id: Answer(question.prompt_id, [rows[question.prompt_id]["answer"]])
        for question in suite.questions({})
    }


def test_a_v01_judge_without_a_label_is_asked_to_go_on():
    judge, model = judge_that(lambda request: "hm" if len(request.messages) == 2 else "[[B>A]]")
    (verdict,) = judge.compare([Comparison("q/game1", user_prompt("{why}"), "{a}", "b")], template_of("v0.1"))
    assert verdict.preference == 1.0
    first, second = model.requests
    assert [one["role"] for one in second.messages] == ["system", "user", "assistant", "user"]
    assert (second.messages[2]["content"], second.messages[3]["content"]) == ("hm", CONTINUE)
    assert first.messages[1]["content"].startswith(
        "<|User Prompt|>\n{why}\n\n<|The Start of Assistant A's Answer|>\n{a}"
    )
    assert (first.temperature, first.max_tokens, template_of("v2.0").attempts) == (0.0, 4096, 1)


def test_a_v01_judge_whose_labels_contradict_each_other_is_not_asked_again():
    judge, model = judge_that(lambda request: "[[A>B]] or rather [[B>A]]")
    (verdict,) = judge.compare([Comparison("q/game1", user_prompt("why"), "a", "b")], template_of("v0.1"))
    assert verdict.preference is None
    assert len(model.requests) == 1


def test_real_prompts_answers_and_baseline(shared_data):
    suite = ArenaHard(data=str(shared_data), limit=120, bootstrap_rounds=20)
    assert [path.name for path in suite.files()] == ["question_v0.1.jsonl", "gpt-4-0314.jsonl.gz"]
    answers = real_answers(shared_data, suite)
    assert len(answers) == 120
    assert suite.questions(answers) == []
    judge, model = judge_that(prefer_longer)
    found = suite.evaluate(answers, judge)
    assert len(model.requests) == 240
    by_metric = {one.metric: one.value for one in found.aggregates}
    rows = found.samples
    longer = (rows["response"].str.len() > rows["reference"].str.len()).mean()
    assert by_metric["position_flip_rate"] == pytest.approx(0.0, abs=0.02)
    assert by_metric["win_rate"] < 0.45
    assert longer < 0.45
    assert by_metric["style_controlled_win_rate"] == pytest.approx(0.5, abs=0.2)
    assert by_metric["style_controlled_win_rate"] > by_metric["win_rate"]
    assert rows.iloc[0]["prompt"] == "Use ABC notation to write a melody in the style of a folk tune."


def test_the_stand_in_for_a_tokenizer_follows_the_real_one(shared_data):
    with gzip.open(shared_data / "arena_hard/model_answer/gpt-4-0314.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream][:200]
    own, real = ([count_pieces(row["answer"]) for row in rows], [row["token_len"] for row in rows])
    assert np.corrcoef(own, real)[0, 1] > 0.98
    assert 0.9 < sum(own) / sum(real) < 1.0


def v2_folder(tmp_path):
    folder = tmp_path / "arena-hard-v2.0"
    (folder / "model_answer").mkdir(parents=True)
    categories = ["hard_prompt", "creative_writing"] * 2
    questions = [{"uid": f"u{i}", "category": one, "prompt": f"prompt {i}"} for i, one in enumerate(categories)]
    write(folder / "question.jsonl", questions)
    for model, uids in (("o3-mini-2025-01-31", ("u0", "u2")), ("gemini-2.0-flash-001", ("u1", "u3"))):
        rows = [{"uid": uid, "model": model, "messages": [{"role": "user", "content": "?"},
                 {"role": "assistant", "content": {"answer": f"{model} says {uid}"}}]} for uid in uids]  # fmt: skip
        write(folder / "model_answer" / f"{model}.jsonl", rows)
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_v2_has_a_baseline_a_judge_prompt_and_a_score_for_each_half(tmp_path):
    suite = ArenaHard(version="v2.0", data=str(v2_folder(tmp_path)), bootstrap_rounds=10)
    answers = {f"u{i}": Answer(f"u{i}", [f"mine {i}"], finished=[True], tokens=[7]) for i in range(4)}
    judge, model = judge_that(lambda request: "[[A>B]]" if "o3-mini" in request.messages[1]["content"] else "[[b>a]]")
    found = suite.evaluate(answers, judge)
    systems = [
        (request.messages[0]["content"], "gemini" in request.messages[1]["content"]) for request in model.requests
    ]
    assert all(system == (SYSTEM_CREATIVE if creative else SYSTEM) for system, creative in systems)
    assert [request.max_tokens for request in model.requests] == [16000] * 8
    headline = [(one.group, one.value) for one in found.aggregates if one.metric == "win_rate"]
    assert headline == [("hard_prompt", pytest.approx(0.5, abs=0.3)), ("creative_writing", pytest.approx(0.5, abs=0.3))]
    assert list(found.samples["reference"])[:2] == ["o3-mini-2025-01-31 says u0", "gemini-2.0-flash-001 says u1"]
    hard = ArenaHard(version="v2.0", data=str(tmp_path), category="hard_prompt")
    assert [question.prompt_id for question in hard.questions({})] == ["u0", "u2"]
    assert [path.name for path in hard.files()] == ["question.jsonl", "o3-mini-2025-01-31.jsonl"]


def test_what_is_wrong_is_said_before_anybody_is_asked(tmp_path, shared_data):
    suite = ArenaHard(data=str(shared_data), limit=3)
    answers = real_answers(shared_data, suite)
    with pytest.raises(UserError, match="arena_hard needs a judge"):
        suite.evaluate(answers, NoJudge())
    judge, model = judge_that(prefer_longer)
    with pytest.raises(UserError, match="arena_hard: 3 of 3 questions are not answered"):
        suite.evaluate({}, judge)
    with pytest.raises(UserError, match=r"model_answer/claude\.jsonl"):
        ArenaHard(data=str(shared_data), limit=3, baseline="claude").questions({})
    with pytest.raises(UserError, match=r"not v2\.0's"):
        ArenaHard(data=str(shared_data / "arena_hard" / "question_v0.1.jsonl"), version="v2.0").asked(
            shared_data / "arena_hard" / "question_v0.1.jsonl"
        )
    write(tmp_path / "few.jsonl", [{"uid": "other", "answer": "x"}])
    with pytest.raises(UserError, match=r"few\.jsonl lacks the baseline's answer to 3 of 3 questions"):
        ArenaHard(data=str(shared_data), limit=3, baseline_file=str(tmp_path / "few.jsonl")).questions({})
    with pytest.raises(UserError, match="baseline_file"):
        ArenaHard(data=str(shared_data), baseline_file=str(tmp_path / "none.jsonl")).files()
    assert model.requests == []


def test_a_baseline_of_ones_own_and_the_older_form_of_its_file(tmp_path, shared_data):
    plain = ArenaHard(data=str(shared_data), limit=2)
    suite = plain.model_copy(update={"baseline_file": str(tmp_path / "sft.jsonl"), "style_control": "off"})
    rows = [{"question_id": question.prompt_id, "choices": [{"turns": [{"content": "sft", "token_len": 1}]}]}
            for question in plain.questions({})]  # fmt: skip
    write(tmp_path / "sft.jsonl", rows)
    judge, _ = judge_that(prefer_longer)
    found = suite.evaluate(real_answers(shared_data, suite), judge)
    assert set(found.samples["reference"]) == {"sft"}
    assert found.aggregates[0].value == pytest.approx(1.0, abs=1e-6)
    assert any("won every battle" in note for note in found.notes)


def test_identity_depends_on_version_baseline_and_control():
    base = ArenaHard().conventions()
    assert base == ArenaHard(data="elsewhere").conventions()
    here, there = (ArenaHard(baseline_file=f"{place}/sft.jsonl").conventions() for place in ("here", "there"))
    assert here == there != base, "the content of the file is in the questions' digest"
    for change in (
        {"version": "v2.0"},
        {"baseline": "x"},
        {"style_control": "off"},
        {"limit": 3},
        {"bootstrap_rounds": 50},
    ):
        assert ArenaHard(**change).conventions() != base


def test_a_prompt_that_is_there_twice_is_refused(tmp_path):
    row = {"uid": "a", "category": "arena-hard-v0.1", "prompt": "?"}
    write(tmp_path / "question_v0.1.jsonl", [row, {**row, "uid": "b"}, row])
    with pytest.raises(UserError, match="row 3 has the 'uid' of row 1, 'a'; keep one"):
        ArenaHard(data=str(tmp_path)).files()
