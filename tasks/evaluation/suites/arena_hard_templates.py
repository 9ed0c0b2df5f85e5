"""What Arena-Hard's judge is asked, and how its verdict is read.

The texts are those of lm-sys/arena-hard-auto (efc012e, ``config/judge_config.yaml``) and lmarena/arena-hard-auto
(196f6b8, ``utils/judge_utils.py``), word for word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tasks.data.rows import Message, user_prompt
from tasks.evaluation.judges.judge import ChatRequest, Comparison, Completion, Verdict

Version = Literal["v0.1", "v2.0"]

SYSTEM = (
    "Please act as an impartial judge and evaluate the quality of the responses provided by two AI assistants"
    " to the user prompt displayed below. You will be given assistant A's answer and assistant B's answer. "
    "Your job is to evaluate which assistant's answer is better.\n\n"
    "Begin your evaluation by generating your own answer to the prompt. You must provide your answers before "
    "judging any answers.\n\n"
    "When evaluating the assistants' answers, compare both assistants' answers with your answer. You must "
    "identify and correct any mistakes or inaccurate information.\n\n"
    "Then consider if the assistant's answers are helpful, relevant, and concise. Helpful means the answer "
    "correctly responds to the prompt or follows the instructions. Note when user prompt has any ambiguity or"
    " more than one interpretation, it is more helpful and appropriate to ask for clarifications or more "
    "information from the user than providing an answer based on assumptions. Relevant means all parts of the"
    " response closely connect or are appropriate to what is being asked. Concise means the response is clear"
    " and not verbose or excessive.\n\n"
    "Then consider the creativity and novelty of the assistant's answers when needed. Finally, identify any "
    "missing important information in the assistants' answers that would be beneficial to include when "
    "responding to the user prompt.\n\n"
    "After providing your explanation, you must output only one of the following choices as your final "
    "verdict with a label:\n\n"
    "1. Assistant A is significantly better: [[A>>B]]\n"
    "2. Assistant A is slightly better: [[A>B]]\n"
    "3. Tie, relatively the same: [[A=B]]\n"
    "4. Assistant B is slightly better: [[B>A]]\n"
    "5. Assistant B is significantly better: [[B>>A]]\n\n"
    'Example output: "My final verdict is tie: [[A=B]]".'
)
"""System message of v0.1, and of v2.0's hard prompts."""

SYSTEM_CREATIVE = SYSTEM.replace(
    "Begin your evaluation by generating your own answer to the prompt. You must provide your answers before judging "
    "any answers.\n\n",
    "",
).replace("compare both assistants' answers with your answer.", "compare both assistants' answers.")
"""System message of v2.0's creative writing: no answer of the judge's own."""

USER = (
    "<|User Prompt|>\n"
    "{question}\n\n"
    "<|The Start of Assistant A's Answer|>\n"
    "{answer_a}\n"
    "<|The End of Assistant A's Answer|>\n\n"
    "<|The Start of Assistant B's Answer|>\n"
    "{answer_b}\n"
    "<|The End of Assistant B's Answer|>"
)
CONTINUE = "continue your judgment and finish by outputting a final verdict label"
"""Said to a v0.1 judge that gave no label."""

MAX_TOKENS: Mapping[Version, int] = {"v0.1": 4096, "v2.0": 16000}
ATTEMPTS: Mapping[Version, int] = {"v0.1": 2, "v2.0": 1}
STRONG = 3
"""Battles that a verdict ``>>`` counts as."""

DOUBLE = re.compile(r"\[\[([AB<>=]+)\]\]")
SINGLE = re.compile(r"\[([AB<>=]+)\]")
PREFERENCES: Mapping[str, tuple[float, int]] = {
    "A>>B": (0.0, STRONG),
    "A>B": (0.0, 1),
    "A=B": (0.5, 1),
    "B>A": (1.0, 1),
    "B>>A": (1.0, STRONG),
}
"""P(B better) and battles of each label."""
MIRRORED: Mapping[str, tuple[float, int]] = {
    "A<<B": (1.0, STRONG),
    "A<B": (1.0, 1),
    "B=A": (0.5, 1),
    "B<A": (0.0, 1),
    "B<<A": (0.0, STRONG),
}
"""Labels that only v2.0 accepts."""


@dataclass
class ArenaHardTemplate:
    """Asks which of two answers is better, on a scale of five, after an explanation."""

    version: Version
    system: str
    attempts: int

    def request(self, comparison: Comparison, attempt: int, said: str) -> ChatRequest:
        """See ``PairTemplate``: a further attempt continues the conversation. Temperature 0."""
        text = USER.format(question=comparison.prompt[-1]["content"], answer_a=comparison.first,
                           answer_b=comparison.second)  # fmt: skip
        messages = [Message(role="system", content=self.system), *user_prompt(text)]
        if attempt:
            messages += [Message(role="assistant", content=said), *user_prompt(CONTINUE)]
        return ChatRequest(messages, MAX_TOKENS[self.version], attempt=attempt)

    def read(self, comparison: Comparison, completion: Completion) -> Verdict:
        """See ``PairTemplate``; v0.1 asks again where there is no label, and not where labels contradict each other."""
        label = read_label(self.version, completion.text)
        labels = PREFERENCES if self.version == "v0.1" else {**PREFERENCES, **MIRRORED}
        preference, strength = labels.get(label, (None, 1))
        labelled = self.version == "v0.1" and DOUBLE.search(completion.text) is not None
        return Verdict(comparison.comparison_id, preference, strength, completion.text, final=labelled)


def template_of(version: Version, creative: bool = False) -> ArenaHardTemplate:
    """The template of a version; ``creative`` for v2.0's creative writing."""
    return ArenaHardTemplate(version, SYSTEM_CREATIVE if creative else SYSTEM, ATTEMPTS[version])


def read_label(version: Version, text: str) -> str:
    """The verdict's label, or an empty text.

    v0.1: what stands in double brackets, if that is the same wherever it stands. v2.0: the last in double brackets,
    else the last in single ones, in upper case.
    """
    if version == "v0.1":
        found = set(DOUBLE.findall(text))
        return found.pop() if len(found) == 1 else ""
    capitals = text.upper()
    labels = DOUBLE.findall(capitals) or SINGLE.findall(capitals)
    return labels[-1] if labels else ""
