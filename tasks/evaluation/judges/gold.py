"""The tiny world's own reward as a judge: what every other judge only estimates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tasks.data.rows import Message, PromptRow
from tasks.data.tiny_world import score
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison, Grade, GradeTemplate, Grading, PairTemplate, Verdict
from tasks.evaluation.judges.order import preference_of

VERSION = "tiny-world-1"
"""To be raised with every change of a family's reward."""
GOLD_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"tldr": (-1.0, 4.0), "hh": (-3.0, 2.0), "gsm": (0.0, 1.0), "code": (0.0, 1.0), "instruct": (-0.5, 2.25)}
)
"""Rewards that get the lowest and the highest grade: of one invented fact and the best summary; of full help with
harm and with a harmless request; of a wrong and a right answer; of junk around nothing right and the best answer."""
BIASED_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType({"instruct": (-0.5, 3.2)})
"""The same of the length-biased reward, whose best answer has all three closers."""


@dataclass(frozen=True)
class GoldJudge:
    """Prefers by reward; ties within 1e-9 are ties. ``biased``: by the length-biased reward of ``instruct``."""

    biased: bool = False
    version: str = VERSION
    kind: Literal["reward"] = "reward"

    @property
    def name(self) -> str:
        """``gold`` or ``biased_gold``."""
        return "biased_gold" if self.biased else "gold"

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> list[Verdict]:
        """1, 0, or 0.5 for a tie. Raises UserError naming the first prompt that no family made."""
        firsts = [self._reward(one.family, one.prompt, one.first, one.first_finished) for one in comparisons]
        seconds = [self._reward(one.family, one.prompt, one.second, one.second_finished) for one in comparisons]
        return [
            Verdict(one.comparison_id, preference_of(first, second), text=f"rewards {first:.6g} and {second:.6g}")
            for one, first, second in zip(comparisons, firsts, seconds, strict=True)
        ]

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> list[Grade]:
        """The reward, mapped linearly from its family's range to the template's scale and clipped to it."""
        return [self._grade(one, template.lowest, template.highest) for one in gradings]

    def _grade(self, one: Grading, lowest: float, highest: float) -> Grade:
        reward = self._reward(one.family, one.prompt, one.response, one.finished)
        worst, best = self._ranges[one.family]
        share = min(1.0, max(0.0, (reward - worst) / (best - worst)))
        return Grade(one.grading_id, lowest + share * (highest - lowest), f"reward {reward:.6g}")

    def _reward(self, family: str, prompt: Sequence[Message], response: str, finished: bool) -> float:
        if family not in self._ranges:
            raise UserError(
                f"judge {self.name}: knows prompts of {', '.join(self._ranges)} and not of {family or 'no family'!r} "
                f"({prompt[-1]['content'][:60]!r}); set judge.kind to an endpoint, a local model or a reward model"
            )
        (gold,) = score([PromptRow(prompt_id="", prompt=list(prompt), family=family)], [response], [finished])
        return gold.parts["judge"] if self.biased else gold.reward

    @property
    def _ranges(self) -> Mapping[str, tuple[float, float]]:
        return BIASED_RANGES if self.biased else GOLD_RANGES
