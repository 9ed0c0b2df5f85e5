"""Asking in both orders, and how much the order decided (position bias; Zheng et al. 2023, arXiv 2306.05685)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.evaluation.judges.judge import Comparison, Judge, PairTemplate, Verdict

SWAPPED = "/swapped"


@dataclass(frozen=True)
class TwoVerdicts:
    """What a judge said of one pair in both orders; preferences are for the response that was second at first."""

    comparison_id: str
    as_given: float | None
    swapped: float | None
    """Turned back: comparable with ``as_given``."""

    @property
    def preference(self) -> float | None:
        """Mean of the verdicts that could be read; None where neither could."""
        read = [one for one in (self.as_given, self.swapped) if one is not None]
        return sum(read) / len(read) if read else None


@dataclass(frozen=True)
class OrderEffect:
    """How much the order of the responses decided over a set of pairs; NaN where nothing could be read."""

    position_flip_rate: float
    """Share of pairs whose winner (first, second or tie) changes with the order, among those read in both orders."""
    first_position_share: float
    """Mean share of the win that went to the response shown first; 0.5 without a position bias."""
    invalid_judgments: float
    """Share of the verdicts, two a pair, that could not be read."""
    preference: float
    """Mean preference for the second response over pairs with a verdict."""
    pairs: int


def compare_in_both_orders(
    judge: Judge, comparisons: Sequence[Comparison], template: PairTemplate
) -> list[TwoVerdicts]:
    """Ask for every comparison as given and swapped, in one call of the judge; in the comparisons' order."""
    verdicts = judge.compare([*comparisons, *(swap(one) for one in comparisons)], template)
    return pair_verdicts(verdicts[: len(comparisons)], verdicts[len(comparisons) :])


def swap(comparison: Comparison) -> Comparison:
    """The comparison with its sides exchanged, under an id of its own."""
    return replace(
        comparison,
        comparison_id=f"{comparison.comparison_id}{SWAPPED}",
        first=comparison.second,
        second=comparison.first,
        first_turns=comparison.second_turns,
        second_turns=comparison.first_turns,
        first_finished=comparison.second_finished,
        second_finished=comparison.first_finished,
    )


def pair_verdicts(as_given: Sequence[Verdict], swapped: Sequence[Verdict]) -> list[TwoVerdicts]:
    """Verdicts of the same pairs as given and swapped, in one order of pairs. Raises ValueError if lengths differ."""
    return [
        TwoVerdicts(one.comparison_id, one.preference, None if other.preference is None else 1.0 - other.preference)
        for one, other in zip(as_given, swapped, strict=True)
    ]


def order_effect(verdicts: Sequence[TwoVerdicts]) -> OrderEffect:
    """Flip rate, position bias, share of invalid verdicts and mean preference."""
    both = [(one.as_given, one.swapped) for one in verdicts if one.as_given is not None and one.swapped is not None]
    preferences = [one.preference for one in verdicts if one.preference is not None]
    read = sum((one.as_given is not None) + (one.swapped is not None) for one in verdicts)
    return OrderEffect(
        position_flip_rate=_mean([float(_winner(given) != _winner(swapped)) for given, swapped in both]),
        first_position_share=_mean([(1.0 - given + swapped) / 2 for given, swapped in both]),
        invalid_judgments=1.0 - read / (2 * len(verdicts)) if verdicts else float("nan"),
        preference=_mean(preferences),
        pairs=len(verdicts),
    )


def _winner(preference: float) -> int:
    """-1 for the first, 1 for the second, 0 for a tie."""
    return (preference > 0.5) - (preference < 0.5)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
