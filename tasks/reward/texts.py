"""Texts to be scored together: each distinct one once, responses to a prompt side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.packing import EncodedGroup
from tasks.reward.judged import Judged
from tasks.reward.model import Scorer, score_groups

Turns = tuple[tuple[str, str], ...]
RESPONSES_A_ROW = 8
"""Most responses laid out behind one copy of their prompt: rows attend to every pair of their tokens."""


@dataclass(frozen=True)
class TextBatch:
    """Encoded texts, and where the scores of each row of the batch are found.

    A text that comes up twice is read once: in batches padded to other lengths its scores could differ by rounding,
    and a tie would be none.
    """

    groups: list[EncodedGroup]
    places: list[int]
    """For each row of the batch, the number of its text among the responses of all groups."""

    @classmethod
    def encoded(cls, tokenizer: PreTrainedTokenizerBase, batch: Sequence[Judged]) -> Self:
        """Encode prompts and responses, with EOS after those that are finished."""
        prompts = {_turns(one): one.prompt["prompt"] for one in batch}
        texts: dict[Turns, dict[tuple[str, bool], None]] = {turns: {} for turns in prompts}
        for one in batch:
            texts[_turns(one)][one.response, one.finished] = None
        groups: list[EncodedGroup] = []
        numbers: dict[tuple[Turns, tuple[str, bool]], int] = {}
        for turns, responses in texts.items():
            prompt = encode_prompt(tokenizer, prompts[turns])
            answers = [encode_response(tokenizer, text, eos=finished) for text, finished in responses]
            numbers |= {(turns, response): len(numbers) + place for place, response in enumerate(responses)}
            starts = range(0, len(answers), RESPONSES_A_ROW)
            groups += [EncodedGroup(prompt, answers[start : start + RESPONSES_A_ROW]) for start in starts]
        return cls(groups, [numbers[_turns(one), (one.response, one.finished)] for one in batch])

    def scores(self, network: Scorer) -> Tensor:
        """[rows, ...] float32 on the CPU. Raises UserError for a text longer than the network's context."""
        return torch.cat(score_groups(network, self.groups))[self.places]


def _turns(one: Judged) -> Turns:
    return tuple((message["role"], message["content"]) for message in one.prompt["prompt"])
