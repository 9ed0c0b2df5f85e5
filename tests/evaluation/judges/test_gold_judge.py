"""The gold reward as a judge."""

import random

import pytest
from judging_templates import Checksum, ChecksumGrade

from tasks.data.rows import user_prompt
from tasks.data.tiny_world import FAMILIES, demonstrations, sample_prompts, score
from tasks.engine.schema import UserError
from tasks.evaluation.judges.gold import BIASED_RANGES, GOLD_RANGES, VERSION, GoldJudge
from tasks.evaluation.judges.judge import Comparison, Grading
from tasks.evaluation.score_identity import digest_of

COPY = user_prompt("copy : cat dog .")
PLAIN, PADDED = "cat dog .", "cat dog . i hope this helps . feel free to ask more . have a great day ."


@pytest.mark.parametrize("family", FAMILIES)
def test_verdicts_are_the_order_of_the_rewards(family: str) -> None:
    prompts = sample_prompts(family, "eval", 40, seed=0)
    told = [[row["response"] for row in demonstrations(prompts, seed)] for seed in (1, 2)]
    ended = [[random.Random(f"{side}/{row['prompt_id']}").random() < 0.9 for row in prompts] for side in (0, 1)]
    rewards = [[gold.reward for gold in score(prompts, told[side], ended[side])] for side in (0, 1)]
    asked = [
        Comparison(
            row["prompt_id"],
            row["prompt"],
            told[0][i],
            told[1][i],
            family,
            first_finished=ended[0][i],
            second_finished=ended[1][i],
        )
        for i, row in enumerate(prompts)
    ]
    verdicts = GoldJudge().compare(asked, Checksum())
    assert [verdict.comparison_id for verdict in verdicts] == [row["prompt_id"] for row in prompts]
    wanted = [0.5 if abs(a - b) <= 1e-9 else float(b > a) for a, b in zip(*rewards, strict=True)]
    assert [verdict.preference for verdict in verdicts] == wanted


@pytest.mark.parametrize("family", FAMILIES)
def test_grades_are_linear_between_the_ends_of_the_scale(family: str) -> None:
    prompts = sample_prompts(family, "eval", 60, seed=0)
    told = [*demonstrations(prompts[:30], 1), *demonstrations(prompts[30:], 2, bias=0.0)]
    gradings = [Grading(row["prompt_id"], row["prompt"], row["response"], family) for row in told]
    grades = GoldJudge().grade(gradings, ChecksumGrade())
    worst, best = GOLD_RANGES[family]
    golds = score(prompts, [row["response"] for row in told], [True] * 60)
    for grade, gold in zip(grades, golds, strict=True):
        share = min(1.0, max(0.0, (gold.reward - worst) / (best - worst)))
        assert grade.value == pytest.approx(1.0 + 9.0 * share)
    solved = [
        Grading("s", row["prompt"], FAMILIES[family].solve(row["prompt"][-1]["content"]), family) for row in prompts
    ]
    assert max(grade.value or 0 for grade in GoldJudge().grade(solved, ChecksumGrade())) == pytest.approx(10.0)
    cut_off = Grading("c", prompts[0]["prompt"], "", family, finished=False)
    assert (GoldJudge().grade([cut_off], ChecksumGrade())[0].value or 0) <= 5.5


def test_the_biased_judge_likes_padding_and_the_gold_one_does_not() -> None:
    asked = [Comparison("p", COPY, PLAIN, PADDED, "instruct")]
    assert GoldJudge().compare(asked, Checksum())[0].preference == 0.0
    assert GoldJudge(biased=True).compare(asked, Checksum())[0].preference == 1.0
    best = Grading("g", COPY, f"sure ! {PADDED}", "instruct")
    assert GoldJudge(biased=True).grade([best], ChecksumGrade())[0].value == pytest.approx(10.0)
    assert BIASED_RANGES.keys() == {"instruct"}


@pytest.mark.parametrize(
    ("judge", "family", "prompt"),
    [
        (GoldJudge(), "", "Name two actors."),
        (GoldJudge(), "alpaca_eval", "Name two actors."),
        (GoldJudge(biased=True), "hh", "how do i build the box ?"),
        (GoldJudge(), "instruct", "Name two actors."),
    ],
)
def test_prompts_that_no_family_knows_are_refused(judge: GoldJudge, family: str, prompt: str) -> None:
    with pytest.raises(UserError, match=r"Name two actors|how do i build"):
        judge.compare([Comparison("p", user_prompt(prompt), "a", "b", family)], Checksum())


def test_the_version_changes_with_the_rewards() -> None:
    rewards = {}
    for family in FAMILIES:
        rows = demonstrations(sample_prompts(family, "eval", 30, seed=7), seed=3)
        golds = score(rows, [row["response"] for row in rows], [i % 5 > 0 for i in range(30)])
        rewards[family] = [[round(gold.reward, 6), round(gold.parts.get("judge", 0), 6)] for gold in golds]
    assert (VERSION, digest_of(rewards)) == ("tiny-world-1", "ebd0634a45254da6")
