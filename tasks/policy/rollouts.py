"""From start states to finished responses: what the policy-gradient loop learns from, before anything is a tensor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import DemonstrationRow, PromptRow
from tasks.engine.schema import UserError
from tasks.models.decoding import Decoding
from tasks.models.encoding import decode_response, encode_prompt, encode_response
from tasks.models.sampling import Sampler, row_seeds
from tasks.policy.steps.starts import PolicyRollIn, StartStates


class Rollout(NamedTuple):
    """One response: ids with the forced prefix and EOS where it came."""

    row: PromptRow
    prompt: list[int]
    ids: list[int]
    forced: int
    """Leading tokens that were given, not sampled."""
    finished: bool
    text: str


@dataclass(frozen=True)
class Collector:
    """Draws rollouts from the policy behind ``sampler``; prefixes are the data's or ``reference``'s."""

    sampler: Sampler
    reference: Sampler
    tokenizer: PreTrainedTokenizerBase
    start: StartStates
    decoding: Decoding
    per_prompt: int
    seed: int

    def collect(self, rows: Sequence[PromptRow], iteration: int) -> list[Rollout]:
        """``per_prompt`` rollouts of every row, prompt by prompt; each depends on its prompt, number and seeds alone.

        Raises UserError if prefixes should come from the data and a row has no response.
        """
        repeated = [row for row in rows for _ in range(self.per_prompt)]
        names = [f"{row['prompt_id']}/{number}" for row in rows for number in range(self.per_prompt)]
        prompts = {row["prompt_id"]: encode_prompt(self.tokenizer, row["prompt"]) for row in rows}
        ids = [prompts[row["prompt_id"]] for row in repeated]
        prefixes = self._prefixes(repeated, ids, names, iteration)
        found = self.sampler.sample(
            [prompt + prefix for prompt, prefix in zip(ids, prefixes, strict=True)],
            row_seeds(self.seed, [f"{iteration}/{name}" for name in names]),
            self.decoding.max_new_tokens,
            self.decoding.temperature,
            self.decoding.top_p,
        )
        rollouts = []
        for row, prompt, prefix, one in zip(repeated, ids, prefixes, found, strict=True):
            room = self.decoding.max_new_tokens - len(prefix)
            tokens = prefix + one.ids[:room]
            finished = one.finished and len(one.ids) <= room
            text = decode_response(self.tokenizer, tokens)
            rollouts.append(Rollout(row, prompt, tokens, len(prefix), finished, text))
        return rollouts

    def _prefixes(
        self, rows: Sequence[PromptRow], prompts: Sequence[list[int]], names: Sequence[str], iteration: int
    ) -> list[list[int]]:
        """The forced tokens of every rollout: the start of a reference response, cut where ``start`` says."""
        if self.start.prefix_source == "none":
            return [[] for _ in rows]
        if self.start.prefix_source == "data":
            references = [encode_response(self.tokenizer, reference_response(row)) for row in rows]
        else:
            references = self._rolled_in(prompts, names, iteration)
        seeds = row_seeds(self.seed, [f"{iteration}/{name}/reset" for name in names])
        room = self.decoding.max_new_tokens - 1
        prefixes = []
        for tokens, seed in zip(references, seeds, strict=True):
            (length,) = self.start.prefix_lengths([len(tokens)], np.random.default_rng(seed))
            prefixes.append(tokens[: min(length, room)])
        return prefixes

    def _rolled_in(self, prompts: Sequence[list[int]], names: Sequence[str], iteration: int) -> list[list[int]]:
        """Responses of the reference policy (PPO++), drawn under seeds of their own."""
        top_p = self.start.top_p if isinstance(self.start, PolicyRollIn) else 1.0
        seeds = row_seeds(self.seed, [f"{iteration}/{name}/roll-in" for name in names])
        found = self.reference.sample(prompts, seeds, self.decoding.max_new_tokens, 1.0, top_p)
        return [one.ids for one in found]


def reference_response(row: PromptRow) -> str:
    """The data's response to a prompt. Raises UserError where it has none."""
    answered: DemonstrationRow = row  # type: ignore[assignment]
    if "response" not in answered or answered["response"] is None:
        raise UserError(
            f"prompt {row['prompt_id']} has no reference response to reset to; give prompts with responses "
            "(demonstrations) or start from prompts"
        )
    return answered["response"]
