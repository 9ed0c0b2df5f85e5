import gzip
import json
import re
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.chat_judge import ChatJudge
from tasks.evaluation.judges.judge import Comparison, Completion, Verdict
from tasks.evaluation.judges.no_judge import NoJudge
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.arena_hard import ArenaHard
from tasks.evaluation.suites.arena_hard_battles import (
    Pair,
    both_orders,
    bradley_terry_elo,
    bradley_terry_score,
    first_position_shares,
    games_of,
    position_flips,
    prompt_win_rates,
    valid_games,
)
from tasks.evaluation.suites.arena_hard_report import Rules, report
from tasks.evaluation.suites.arena_hard_style import (
    count_pieces,
    density_differences,
    ratio_differences,
    style_controlled_score,
    style_of,
)
from tasks.evaluation.suites.arena_hard_templates import (
    CONTINUE,
    SYSTEM,
    SYSTEM_CREATIVE,
    USER,
    read_label,
    template_of,
)
from tasks.evaluation.suites.suite import Answer

CARD = [("B>>A", "A>B"), ("A=B", "B>A"), ("A>>B", "A=B"), ("B>A", "A>>B")]
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


def card_pairs():
    return [Pair(f"q{i}", user_prompt(f"question {i}"), f"answer {i}", f"baseline {i}", 2.0) for i in range(len(CARD))]


def verdicts_of(labels, version="v0.1"):
    template = template_of(version)
    return [
        template.read(comparison, Completion(f"I think so. [[{label}]]" if label else "I cannot tell."))
        for comparison, label in zip(both_orders(card_pairs()), [one for two in labels for one in two], strict=True)
    ]


def rules(version="v0.1", control="off", rounds=50):
    return Rules("arena_hard", version, control, "equal", rounds, 0)


def test_the_texts_are_the_published_ones():
    digests = [sha256(text.encode()).hexdigest()[:16] for text in (SYSTEM, SYSTEM_CREATIVE)]
    assert digests == ["03f68010febd7a64", "171489efbca7f19f"]
    assert USER.count("{") == 3
    assert SYSTEM.endswith('Example output: "My final verdict is tie: [[A=B]]".')
    assert "your own answer" not in SYSTEM_CREATIVE


def test_card_wins_ties_losses_score_and_gap():
    games = valid_games(games_of(card_pairs(), verdicts_of(CARD)), "drop_game")
    totals = games.groupby("outcome")["weight"].sum()
    assert totals.to_dict() == {1.0: 8, 0.5: 2, 0.0: 4}
    assert 100 * bradley_terry_score(games, 20, 0).value == pytest.approx(64.285714, abs=1e-5)
    assert bradley_terry_elo(games, 20, 0).value - 1000 == pytest.approx(102.109002, abs=1e-4)


def test_card_as_a_report():
    found = report(card_pairs(), verdicts_of(CARD), rules(rounds=200))
    headline = found.aggregates[0]
    assert (headline.metric, headline.n) == ("win_rate", 4)
    assert headline.value == pytest.approx(9 / 14, abs=1e-5)
    assert 0.3 < headline.low < headline.value < headline.high < 0.95
    per_prompt = found.scores[found.scores["metric"] == "win_rate"].set_index("prompt_id")["value"].to_dict()
    assert per_prompt == {"q0": 1.0, "q1": pytest.approx(0.25), "q2": pytest.approx(0.125), "q3": 1.0}
    assert {one.metric for one in found.aggregates} >= {"arena_hard_elo", "position_flip_rate", "response_tokens"}
    assert all(find_metric(one.metric) for one in found.aggregates)
    assert all(find_metric(metric) for metric in found.scores["metric"].unique())
    assert list(found.samples["verdict_baseline_first"]) == [1.0, 0.5, 0.0, 1.0]


def test_flips_and_the_share_of_the_first_position():
    games = games_of(card_pairs(), verdicts_of(CARD))
    assert position_flips(games) == {"q0": 0.0, "q1": 1.0, "q2": 1.0, "q3": 0.0}
    always_first = games_of(card_pairs(), verdicts_of([("A>B", "A>B")] * 4))
    assert set(first_position_shares(always_first).values()) == {1.0}
    assert set(position_flips(always_first).values()) == {1.0}
    assert prompt_win_rates(valid_games(always_first, "drop_game")) == dict.fromkeys(("q0", "q1", "q2", "q3"), 0.5)


def test_an_unreadable_verdict_costs_a_game_or_a_prompt():
    labels = [("B>>A", ""), *CARD[1:]]
    games = games_of(card_pairs(), verdicts_of(labels))
    assert len(valid_games(games, "drop_game")) == 7
    assert set(valid_games(games, "drop_prompt")["prompt_id"]) == {"q1", "q2", "q3"}
    old, new = (report(card_pairs(), verdicts_of(labels), rules(version)) for version in ("v0.1", "v2.0"))
    assert old.aggregates[0].n == 4
    assert new.aggregates[0].n == 3
    assert "1 of 8 verdicts could not be read, and 1 games do not count" in old.notes[0]
    assert "and 2 games do not count" in new.notes[0]
    with pytest.raises(UserError, match="no verdict on the 4 prompts could be read"):
        report(card_pairs(), verdicts_of([("", "")] * 4), rules())


def test_v2_is_the_mean_over_bootstraps():
    found = report(card_pairs(), verdicts_of(CARD, "v2.0"), rules("v2.0", rounds=4000)).aggregates[0]
    assert found.value == pytest.approx(9 / 14, abs=0.01)
    assert found.high - found.low == pytest.approx(2 * 1.645 * np.sqrt(0.194 / 14), rel=0.25)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("so [[A>>B]]", "A>>B", "A>>B"),
        ("[[A>B]] or rather [[A>B]]", "A>B", "A>B"),
        ("[[A>B]] or rather [[B>A]]", "", "B>A"),
        ("my verdict: [B>A]", "", "B>A"),
        ("my verdict: [[b>>a]]", "", "B>>A"),
        ("[[A<B]]", "A<B", "A<B"),
        ("no verdict", "", ""),
    ],
)
def test_reading_a_label(text, old, new):
    assert read_label("v0.1", text) == old
    assert read_label("v2.0", text) == new


def test_mirrored_labels_count_in_v2_only():
    comparison = Comparison("q/game1", user_prompt("q"), "a", "b")
    completion = Completion("[[A<<B]]")
    assert template_of("v0.1").read(comparison, completion).preference is None
    assert template_of("v2.0").read(comparison, completion) == Verdict("q/game1", 1.0, 3, "[[A<<B]]")


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


def test_counting_style():
    text = "# Head\n## Two\n\n1. one\n2. two\n- three\n* four\n\n**bold** and __too__\n```\n# no\n- no\n**no**\n```\n"
    style = style_of(text)
    assert (style.headers, style.lists, style.bold) == (2, 4, 2)
    assert count_pieces("Hello, world! It's 12345 things.") == 11
    own, other = np.array([[9.0, 1, 0, 0], [0.0, 0, 0, 0]]), np.array([[4.0, 0, 0, 2], [0.0, 0, 0, 0]])
    assert ratio_differences(own, other)[0] == pytest.approx([5 / 14, 1 / 2, 0, -2 / 3])
    assert density_differences(own, other)[0] == pytest.approx([5 / 13, 0.1 / 1.1, 0, -0.4 / 1.4])
    assert not density_differences(own, other)[1].any()


def biased_games(length_effect, prompts=1500, seed=0):
    """Verdicts of a judge that likes length and nothing else, of a model that is longer most of the time."""
    rng = np.random.default_rng(seed)
    length = rng.normal(0.3, 0.3, prompts)
    won = rng.random(prompts) < 1 / (1 + np.exp(-length_effect * length))
    games = pd.DataFrame({"prompt_id": [f"q{i}" for i in range(prompts)], "outcome": won.astype(float), "weight": 1})
    return games, np.hstack([length[:, None], np.zeros((prompts, 3))])


@pytest.mark.parametrize("version", ["v0.1", "v2.0"])
@pytest.mark.parametrize("control", ["length", "style"])
def test_style_control_takes_a_length_bias_away(version, control):
    games, differences = biased_games(4.0)
    raw = games["outcome"].mean()
    controlled, coefficients = style_controlled_score(version, games, differences, control, "equal", 20, 0)
    assert raw > 0.7
    assert controlled.value == pytest.approx(0.5, abs=0.05)
    assert coefficients["tokens"] > 0.8
    pooled, _ = style_controlled_score(version, games, differences, control, "pool", 20, 0)
    assert pooled.value == pytest.approx(raw, abs=0.05)


def test_controlling_markdown_alone_leaves_a_length_bias_alone():
    games, differences = biased_games(4.0)
    controlled, coefficients = style_controlled_score("v2.0", games, differences, "markdown", "equal", 20, 0)
    assert controlled.value == pytest.approx(games["outcome"].mean(), abs=0.03)
    assert coefficients == {"headers": 0.0, "lists": 0.0, "bold": 0.0}


@given(st.permutations(range(4)))
@settings(max_examples=10)
def test_the_order_of_prompts_changes_no_number(order):
    pairs, verdicts = card_pairs(), verdicts_of(CARD)
    shuffled = [pairs[i] for i in order], [verdicts[2 * i + game] for i in order for game in (0, 1)]
    one, other = report(pairs, verdicts, rules(rounds=10)), report(*shuffled, rules(rounds=10))
    assert [a.value for a in one.aggregates] == pytest.approx([a.value for a in other.aggregates], abs=1e-6)


def real_answers(shared_data, suite, model="gpt-4-0613"):
    with gzip.open(shared_data / f"arena_hard/model_answer/{model}.jsonl.gz", "rt") as stream:
        rows = {row["uid"]: row for row in map(json.loads, stream)}
    return {
        question.prompt_id: Answer(question.prompt_id, [rows[question.prompt_id]["answer"]])
        for question in suite.questions({})
    }


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
    for change in (
        {"version": "v2.0"},
        {"baseline": "x"},
        {"style_control": "off"},
        {"limit": 3},
        {"bootstrap_rounds": 50},
    ):
        assert ArenaHard(**change).conventions() != base
