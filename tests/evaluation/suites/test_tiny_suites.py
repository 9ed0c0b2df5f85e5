import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import FAMILIES, demonstrations, prompt_text, sample_prompts, score
from tasks.engine.schema import UserError
from tasks.evaluation.judges.gold import GoldJudge
from tasks.evaluation.judges.no_judge import NoJudge
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.suite import Answer
from tasks.evaluation.suites.tiny import TinyGSM8K, TinyHumanEval
from tasks.evaluation.suites.tiny_choices import TinyRewardBench, TinyTruthfulQA
from tasks.evaluation.suites.tiny_comparisons import TinyAlpacaEval, TinyArenaHard
from tasks.evaluation.suites.tiny_gold import TinyGold
from tasks.evaluation.suites.tiny_mt_bench import TinyMTBench
from tasks.evaluation.suites.tiny_prompts import hard_rows, is_hard

ASKED = [TinyGold(prompts=10), TinyGSM8K(prompts=10), TinyAlpacaEval(prompts=20), TinyArenaHard(prompts=5),
         TinyMTBench(prompts=2), TinyHumanEval(prompts=5, samples=4, k=2)]  # fmt: skip
SCORED = [TinyTruthfulQA(prompts=6), TinyTruthfulQA(prompts=6, family="instruct"), TinyRewardBench(prompts=4)]


def family_of(prompt):
    """The one family that can read a prompt."""
    for name, family in FAMILIES.items():
        try:
            family.solve(prompt)
        except UserError:
            continue
        return name
    raise AssertionError(prompt)


def best(question, number=0):
    """The best answer to a question's last turn."""
    text = question.prompt[-1]["content"]
    return FAMILIES[family_of(text)].solve(text)


def worst(question, number=0):
    return "the the the"


def demonstrated(question, number=0):
    text = question.prompt[-1]["content"]
    return FAMILIES[family_of(text)].demonstrate(text, random.Random(f"{text}/{number}"))


def answered(suite, respond):
    """Every question answered, asked as the evaluation asks."""
    answers = {}
    while questions := suite.questions(answers):
        for one in questions:
            responses = [respond(one, number) for number in range(one.samples)]
            answers[one.prompt_id] = Answer(one.prompt_id, responses, (), [True] * len(responses))
    return answers


def scored(suite, sign=1.0):
    """Every candidate scored by its gold reward, times a sign."""
    answers = {}
    for one in suite.questions({}):
        text = one.prompt[-1]["content"]
        row = PromptRow(prompt_id="", prompt=list(one.prompt), family=family_of(text))
        rewards = [
            gold.reward for gold in score([row] * len(one.candidates), one.candidates, [True] * len(one.candidates))
        ]
        answers[one.prompt_id] = Answer(one.prompt_id, scores=[sign * reward for reward in rewards])
    return answers


def whole(found):
    return {one.metric: one.value for one in found.aggregates if not one.group}


@pytest.mark.parametrize("suite", [*ASKED, *SCORED], ids=lambda suite: suite.name)
def test_questions_are_the_same_each_time_and_answered_once(suite):
    assert suite.files() == []
    assert suite.questions({}) == suite.questions({})
    answers = scored(suite) if suite in SCORED else answered(suite, best)
    assert suite.questions(answers) == []
    fewer = suite.model_copy(update={"limit": 1})
    assert {one.prompt_id for one in fewer.questions({})} < {one.prompt_id for one in suite.questions({})}
    assert fewer.conventions() != suite.conventions()


@pytest.mark.parametrize("suite", [*ASKED, *SCORED], ids=lambda suite: suite.name)
def test_every_number_is_registered_and_in_its_range(suite):
    if suite.name == "tiny_human_eval":
        pytest.importorskip("tasks.evaluation.statistics.pass_at_k")
    answers = scored(suite) if suite in SCORED else answered(suite, demonstrated)
    found = suite.evaluate(answers, GoldJudge())
    assert len(found.samples) > 0
    for one in found.aggregates:
        metric = find_metric(one.metric)
        assert metric is not None, one.metric
        assert metric.lowest <= one.value <= metric.highest
    for name, rows in found.scores.groupby("metric"):
        metric = find_metric(name)
        assert metric is not None, name
        assert rows["value"].between(metric.lowest, metric.highest).all()
        assert not rows["prompt_id"].duplicated().any()


@pytest.mark.parametrize("suite", [*ASKED, *SCORED], ids=lambda suite: suite.name)
def test_a_missing_answer_is_named(suite):
    with pytest.raises(UserError, match="are not answered"):
        suite.evaluate({}, GoldJudge())


@pytest.mark.parametrize("suite", [one for one in ASKED if one.needs_judge != "no"], ids=lambda suite: suite.name)
def test_a_judged_suite_wants_a_judge(suite):
    with pytest.raises(UserError, match=f"{suite.name} needs a judge"):
        suite.evaluate(answered(suite, best), NoJudge())
    assert suite.usual_judge == "gold"


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gold_of_best_answers_and_of_nonsense(family):
    suite = TinyGold(family=family, prompts=12)
    high, low = (whole(suite.evaluate(answered(suite, who), NoJudge())) for who in (best, worst))
    assert high["gold_reward"] > low["gold_reward"] + 0.5
    assert high["finished"] == 1.0
    if "accuracy" in high:
        assert (high["accuracy"], low["accuracy"]) == (1.0, 0.0)


def test_gold_equals_the_reward_of_the_data():
    suite = TinyGold(family="tldr", prompts=15, seed=3)
    rows = sample_prompts("tldr", "eval", 15, 3)
    told = [row["response"] for row in demonstrations(rows, 9)]
    answers = {row["prompt_id"]: Answer(row["prompt_id"], [text], finished=[i % 2 == 0])
               for i, (row, text) in enumerate(zip(rows, told, strict=True))}  # fmt: skip
    rewards = [one.reward for one in score(rows, told, [i % 2 == 0 for i in range(15)])]
    found = suite.evaluate(answers, NoJudge())
    assert found.aggregates[0].value == pytest.approx(sum(rewards) / 15)
    assert whole(found)["finished"] == pytest.approx(8 / 15)


def test_word_problems_by_their_verifier():
    suite = TinyGSM8K(prompts=30, samples=2)
    rows = {row["prompt_id"]: row for row in sample_prompts("gsm", "eval", 30, 0)}
    answers = answered(suite, lambda question, number: best(question) if number else demonstrated(question))
    right = [FAMILIES["gsm"].verify(prompt_text(rows[name]), response)
             for name, answer in answers.items() for response in answer.responses]  # fmt: skip
    found = suite.evaluate(answers, NoJudge())
    assert found.aggregates[0].value == pytest.approx(sum(right) / 60)
    assert 0.5 < found.aggregates[0].value < 1.0


def test_pass_at_k_of_one_right_program_in_four():
    pytest.importorskip("tasks.evaluation.statistics.pass_at_k")
    suite = TinyHumanEval(prompts=4, samples=4, k=2)
    answers = answered(suite, lambda question, number: worst(question) if number else best(question))
    found = whole(suite.evaluate(answers, NoJudge()))
    assert found == {"pass_at_1": pytest.approx(0.25), "pass_at_2": pytest.approx(0.5)}
    single = {name: Answer(name, answer.responses[:1]) for name, answer in answers.items()}
    report = suite.evaluate(single, NoJudge())
    assert set(whole(report)) == {"pass_at_1"}
    assert "pass@2 is left out" in report.notes[0]
    with pytest.raises(ValueError, match="pass@5 wants at least 5 samples"):
        TinyHumanEval(samples=4, k=5)


def test_the_best_answers_win_and_nonsense_loses():
    for suite in (TinyAlpacaEval(prompts=30), TinyArenaHard(prompts=10, family="instruct")):
        high, low = (whole(suite.evaluate(answered(suite, who), GoldJudge()))["win_rate"] for who in (best, worst))
        assert high > 0.7
        assert low < 0.1


def test_a_demonstrator_wins_half_against_a_demonstrator():
    suite = TinyArenaHard(prompts=60, bootstrap_rounds=50)
    found = suite.evaluate(answered(suite, demonstrated), GoldJudge())
    headline = found.aggregates[0]
    assert headline.metric == "win_rate"
    assert headline.low < 0.5 < headline.high
    assert whole(found)["position_flip_rate"] == 0.0
    assert whole(found)["invalid_judgments"] == 0.0


def padded(question, number=0):
    """A demonstrator's content with every pleasantry."""
    text = demonstrated(question)
    for closer in ("i hope this helps .", "feel free to ask more .", "have a great day ."):
        text = text.replace(f" {closer}", "")
    return f"{text} i hope this helps . feel free to ask more . have a great day ."


def test_length_control_takes_from_a_padder_what_the_biased_judge_gave():
    suite = TinyAlpacaEval(prompts=200)
    answers = answered(suite, padded)
    gold, biased = (whole(suite.evaluate(answers, GoldJudge(biased=flag))) for flag in (False, True))
    assert biased["win_rate"] > gold["win_rate"] + 0.2
    assert biased["lc_win_rate"] < biased["win_rate"] - 0.05
    assert biased["lc_length"] < 0.0


def test_two_turns_are_graded_by_family():
    suite = TinyMTBench(prompts=3)
    questions = suite.questions({})
    assert len(questions) == 15
    answers = answered(suite, best)
    assert len(answers) == 30
    found = suite.evaluate(answers, GoldJudge())
    value = {(one.metric, one.group): one.value for one in found.aggregates}
    assert value["mt_bench_grade", "gsm"] == 10.0
    assert value["mt_bench_grade", ""] > 8.0
    assert {group for metric, group in value if metric == "mt_bench_grade"} == {"", "turn 1", "turn 2", *FAMILIES}
    low = suite.evaluate(answered(suite, worst), GoldJudge())
    assert low.aggregates[0].value < 3.0
    assert "no policy of the tiny world is trained on two exchanges" in found.notes[-1]


def test_the_second_turn_follows_the_first_answer():
    suite = TinyMTBench(prompts=2)
    first = suite.questions({})[0]
    (second,) = [one for one in suite.questions({first.prompt_id: Answer(first.prompt_id, ["so"])})
                 if len(one.prompt) == 3]  # fmt: skip
    assert [message["role"] for message in second.prompt] == ["user", "assistant", "user"]
    assert second.prompt[0] == first.prompt[0]
    assert second.prompt[1]["content"] == "so"


def test_the_imitated_answer_is_wrong_and_the_best_is_right():
    for suite in (TinyTruthfulQA(prompts=20), TinyTruthfulQA(prompts=20, family="instruct")):
        for row, item in suite.items():
            verify = FAMILIES[suite.family].verify
            assert all(verify(prompt_text(row), item.candidates[index]) for index in item.all_true)
            assert not any(verify(prompt_text(row), item.candidates[index]) for index in item.all_false)
            assert len(set(item.candidates)) == len(item.candidates)
        right, wrong = (whole(suite.evaluate(scored(suite, sign), NoJudge())) for sign in (10.0, -10.0))
        assert (right["mc1"], wrong["mc1"]) == (1.0, 0.0)
        assert right["mc2"] > 0.95
        assert wrong["mc2"] < 0.05


def test_sections_of_pairs_by_family():
    suite = TinyRewardBench(prompts=10)
    assert all(one.by_reward and len(one.candidates) == 2 for one in suite.questions({}))
    right, wrong, even = (suite.evaluate(scored(suite, sign), NoJudge()) for sign in (1.0, -1.0, 0.0))
    assert [whole(one)["reward_bench_score"] for one in (right, wrong, even)] == [1.0, 0.0, 0.0]
    assert [one.group for one in right.aggregates] == ["", *FAMILIES]


@given(st.sampled_from(["tldr", "hh", "instruct"]), st.integers(0, 3))
@settings(max_examples=8)
def test_hard_prompts_are_hard_and_prefixes_of_one_another(family, seed):
    rows = hard_rows(family, 6, seed)
    assert all(is_hard(family, prompt_text(row)) for row in rows)
    assert hard_rows(family, 3, seed) == rows[:3]
    assert not all(is_hard(family, prompt_text(row)) for row in sample_prompts(family, "eval", 40, seed))
