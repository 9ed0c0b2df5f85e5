"""From a superbatch to what is learned from: completions cut to one turn, scored, and the best of each prompt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from transformers import PreTrainedTokenizerBase

from tasks.models.encoding import decode_response, encode_response
from tasks.models.packing import EncodedGroup
from tasks.models.sampling import Sampled
from tasks.policy.rollouts import Rollout


@dataclass(frozen=True)
class Completion:
    """A rollout of one turn with its score."""

    rollout: Rollout
    score: float

    @property
    def encoded(self) -> EncodedGroup:
        """Prompt and completion as token ids, EOS where it came (the published code never learns to end)."""
        return EncodedGroup(self.rollout.prompt, [self.rollout.ids])


def first_turn(
    tokenizer: PreTrainedTokenizerBase, sampled: Sampled, marks: Sequence[str]
) -> tuple[list[int], bool, str]:
    """Token ids, whether it ended, and text of a completion, cut where another turn begins.

    A completion that is cut has ended there: its text is stripped, encoded again and closed by EOS.
    """
    text = decode_response(tokenizer, sampled.ids)
    ends = [place for mark in marks if (place := text.find(mark)) >= 0]
    if not ends:
        return sampled.ids, sampled.finished, text
    turn = text[: min(ends)].strip()
    return encode_response(tokenizer, turn), True, turn


def best_of_prompts(completions: Sequence[Completion], kept: int, length_penalty: float) -> list[Completion]:
    """The ``kept`` completions of highest score of every prompt that are not empty, neighbours being of one prompt.

    Scores are lowered by ``length_penalty`` times the log of the length in characters. Ties go to the first.
    """
    best: list[Completion] = []
    for _, group in groupby(completions, key=lambda one: one.rollout.row["prompt_id"]):
        spoken = [one for one in group if one.rollout.text.strip()]
        penalised = {id(one): one.score - length_penalty * math.log(len(one.rollout.text)) for one in spoken}
        best += sorted(spoken, key=lambda one: -penalised[id(one)])[:kept]
    return best
