"""What the tiny world's suites share: their settings, prompts, and the gold reward of what was answered."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import FAMILIES, Gold, demonstrations, prompt_text, sample_prompts, score
from tasks.data.tiny_world.hh import UNSAFE_ON_PEOPLE, read_request
from tasks.data.tiny_world.instruct import read_instruction
from tasks.data.tiny_world.tldr import read_post
from tasks.engine.schema import UserError
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.suite import Answer, Question, SuiteSettings

FamilyName = Literal["tldr", "hh", "gsm", "code", "instruct"]
VERSION = "tiny world 1"
"""To be raised with every change of what a suite here asks or counts."""
SURPLUS = 6
"""Prompts drawn for each hard one that is wanted."""


class TinySettings(SuiteSettings):
    """Suites of the tiny world make their prompts; they read no file."""

    prompts: int = Field(200, ge=2, le=5000, description="Prompts of the evaluation split (of each family)")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the prompts and of what they are compared with")
    max_new_tokens: int = Field(40, ge=0, le=65536, description="Longest response; 0: as the evaluation decodes")

    def taken(self) -> int:
        """How many prompts of a family: ``prompts``, or ``limit`` if that is less."""
        return min(self.prompts, self.limit or self.prompts)

    def asked(self, rows: Sequence[PromptRow], samples: int = 1, temperature: float | None = None) -> list[Question]:
        """One question a row."""
        return [
            Question(
                row["prompt_id"],
                row["prompt"],
                temperature=temperature,
                max_new_tokens=self.max_new_tokens or None,
                samples=samples,
            )
            for row in rows
        ]


def tiny_conventions(suite: str, settings: TinySettings, families: str, aggregation: str, tie_rule: str) -> Conventions:
    """Conventions of a suite that asks ``families``."""
    return Conventions(
        suite=suite,
        version=VERSION,
        split=f"eval, {settings.taken()} prompts of {families}, seed {settings.seed}",
        aggregation=f"{aggregation}; at most {settings.max_new_tokens} tokens",
        tie_rule=tie_rule,
    )


def evaluation_rows(family: str, n: int, seed: int) -> list[PromptRow]:
    """``n`` prompts of the evaluation split; a smaller ``n`` gives a prefix. Raises UserError if there are too few."""
    return sample_prompts(family, "eval", n, seed)


def hard_rows(family: str, n: int, seed: int) -> list[PromptRow]:
    """``n`` hard prompts of the evaluation split; a smaller ``n`` gives a prefix.

    Hard is a post with three trivia (``tldr``), a request that would do harm or whose verb is ambiguous (``hh``), and a
    task on which the demonstrator has a wrong habit, or with five words or more (``instruct``). Raises UserError if
    there are too few.
    """
    found = [row for row in evaluation_rows(family, n * SURPLUS, seed) if is_hard(family, prompt_text(row))]
    if len(found) < n:
        raise UserError(f"tiny world: only {len(found)} hard prompts of family {family!r}; ask for fewer (prompts)")
    return found[:n]


def is_hard(family: str, prompt: str) -> bool:
    """See ``hard_rows``."""
    if family == "tldr":
        return len(read_post(prompt)) == 6
    if family == "hh":
        verb, unsafe = read_request(prompt)
        return unsafe or verb in UNSAFE_ON_PEOPLE
    instruction = read_instruction(prompt)
    return instruction.task in {"reverse", "sort", "list"} or len(instruction.words) >= 5


def demonstrated(rows: Sequence[PromptRow], seed: int) -> dict[str, str]:
    """A demonstrator's answer to each prompt, by prompt id: the baseline of the comparisons."""
    return {row["prompt_id"]: row["response"] for row in demonstrations(rows, seed)}


def best_answer(row: PromptRow) -> str:
    """An answer that no other has a higher gold reward than."""
    return FAMILIES[row["family"]].solve(prompt_text(row))


def ended(answer: Answer) -> list[bool]:
    """Whether each response ended by itself; where that is not known, it did."""
    return list(answer.finished) or [True] * len(answer.responses)


def gold_of(row: PromptRow, answer: Answer) -> list[Gold]:
    """Gold reward of every response to a prompt."""
    return score([row] * len(answer.responses), answer.responses, ended(answer))


def share_right(row: PromptRow, answer: Answer) -> float | None:
    """The share of the responses that the family's verifier accepts; None where the family has none."""
    verify = FAMILIES[row["family"]].verify
    verdicts = [verify(prompt_text(row), response) for response in answer.responses]
    right = [float(verdict) for verdict in verdicts if verdict is not None]
    return sum(right) / len(right) if right else None


def mean_tokens(found: Mapping[str, Answer]) -> dict[str, float]:
    """Mean length of each prompt's responses in tokens, of the prompts where it is known."""
    return {name: sum(answer.tokens) / len(answer.tokens) for name, answer in found.items() if answer.tokens}
