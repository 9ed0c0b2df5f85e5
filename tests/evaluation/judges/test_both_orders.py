"""Both orders of two responses, and what the order decided."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging_templates import Checksum

from tasks.data.rows import user_prompt
from tasks.evaluation.judges.both_orders import (
    TwoVerdicts,
    compare_in_both_orders,
    order_effect,
    pair_verdicts,
    swap,
)
from tasks.evaluation.judges.gold import GoldJudge
from tasks.evaluation.judges.judge import Comparison, Grade, GradeTemplate, Grading, PairTemplate, Verdict

preferences = st.none() | st.floats(0, 1)


@dataclass(frozen=True)
class FirstOne:
    """Prefers what it is shown first by ``bias``, and says nothing where both are equal."""

    bias: float
    name: str = "first"
    version: str = "1"
    kind: Literal["chat"] = "chat"

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> list[Verdict]:
        return [Verdict(one.comparison_id, None if one.first == one.second else 1.0 - self.bias) for one in comparisons]

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> list[Grade]:
        raise NotImplementedError


def pairs(count: int) -> list[Comparison]:
    return [Comparison(f"p{i}", user_prompt("copy : cat dog ."), f"cat{i}", f"dog{i}") for i in range(count)]


def test_a_judge_that_takes_the_first_flips_everywhere() -> None:
    effect = order_effect(compare_in_both_orders(FirstOne(1.0), pairs(5), Checksum()))
    assert (effect.position_flip_rate, effect.first_position_share, effect.preference) == (1.0, 1.0, 0.5)
    assert (effect.invalid_judgments, effect.pairs) == (0.0, 5)


def test_the_gold_reward_never_flips() -> None:
    prompt = user_prompt("copy : cat dog .")
    asked = [
        Comparison("worse first", prompt, "dog .", "cat dog .", "instruct"),
        Comparison("cut off", prompt, "cat dog .", "cat dog .", "instruct", second_finished=False),
        Comparison("equal", prompt, "cat dog .", "cat dog .", "instruct"),
    ]
    verdicts = compare_in_both_orders(GoldJudge(), asked, Checksum())
    assert [one.preference for one in verdicts] == [1.0, 0.0, 0.5]
    effect = order_effect(verdicts)
    assert (effect.position_flip_rate, effect.first_position_share) == (0.0, 0.5)


def test_unread_verdicts_are_counted_and_leave_the_rest() -> None:
    verdicts = [
        TwoVerdicts("both", 0.9, 0.8), TwoVerdicts("one", None, 0.2), TwoVerdicts("none", None, None),
        TwoVerdicts("flips", 0.6, 0.4), TwoVerdicts("to a tie", 1.0, 0.5),
    ]  # fmt: skip
    effect = order_effect(verdicts)
    assert effect.position_flip_rate == pytest.approx(2 / 3)
    assert effect.invalid_judgments == pytest.approx(3 / 10)
    assert effect.preference == pytest.approx((0.85 + 0.2 + 0.5 + 0.75) / 4)
    assert effect.first_position_share == pytest.approx((0.45 + 0.4 + 0.25) / 3)


def test_nothing_read_is_not_a_number() -> None:
    effect = order_effect([TwoVerdicts("none", None, None)])
    assert effect.invalid_judgments == 1.0
    assert math.isnan(effect.position_flip_rate) and math.isnan(effect.preference)  # noqa: PT018
    assert math.isnan(order_effect([]).invalid_judgments)


@given(st.lists(st.tuples(preferences, preferences), min_size=1))
def test_exchanging_the_orders_changes_nothing_but_the_side(given: list[tuple[float | None, float | None]]) -> None:
    def effect(first: list[float | None], second: list[float | None]) -> object:
        named = [[Verdict(str(i), value) for i, value in enumerate(side)] for side in (first, second)]
        return order_effect(pair_verdicts(*named))

    as_given, swapped = [one for one, _ in given], [other for _, other in given]
    one, other = effect(as_given, swapped), effect(swapped, as_given)
    for name in ("position_flip_rate", "first_position_share", "invalid_judgments"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True)
    assert one.preference == pytest.approx(1.0 - other.preference, nan_ok=True)  # type: ignore[attr-defined]


def test_swapping_twice_is_the_comparison_under_another_id() -> None:
    one = Comparison("p", user_prompt("x"), "a", "b", "hh", "ref", ("c",), ("d",), True, False)
    once = swap(one)
    assert (once.first, once.second, once.first_turns, once.first_finished) == ("b", "a", ("d",), False)
    twice = swap(once)
    assert twice.comparison_id == "p/swapped/swapped"
    assert (twice.first, twice.first_turns, twice.first_finished, twice.reference) == ("a", ("c",), True, "ref")
