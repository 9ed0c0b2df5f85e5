"""Drawing responses from a policy.

Every row has its own seed, and token t of a row comes from the t-th uniform number of that seed's Philox
stream through the inverse of the cumulative distribution. So a row's response depends on the policy, its
prompt and its seed, and not on which rows share its batch, up to float rounding: a token flips only where the
uniform number falls within about 1e-6 of a border between two tokens.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.engine.schema import UserError
from tasks.models.growing_cache import growing_cache
from tasks.models.log_probs import label_log_probs
from tasks.models.parts import Scorable, causal_lm, context_length, evaluating, real_logits, run_body

STOP_STEPS = 8
"""Tokens between two looks for stop strings: looking means decoding every row."""


class Sampled(NamedTuple):
    """One response: token ids (EOS included when it came), whether it ended, and its log-probability in nats.

    ``log_prob`` is the sum over its tokens under the policy at temperature 1 without top-p, whatever it was
    sampled with, so that it can be compared with scores of the same response.
    """

    ids: list[int]
    finished: bool
    log_prob: float


class Sampler(Protocol):
    """Anything that continues prompts: the in-process sampler, or a client of a serving engine."""

    def sample(
        self,
        prompts: Sequence[list[int]],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> list[Sampled]:
        """Continue each prompt (token ids) with its own seed; temperature 0 takes the likeliest token.

        A response whose text holds one of ``stop`` has ended; tokens from there on may be among its ids.
        """
        ...


def row_seeds(seed: int, keys: Sequence[str]) -> list[int]:
    """A 64-bit seed for each key, e.g. ``f"{prompt_id}/{sample}"``: the same in every run and process."""
    return [int.from_bytes(hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=8).digest(), "little") for key in keys]


def end_token_ids(model: Scorable, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end a response: the tokenizer's EOS and those that the model's generation settings add."""
    configured = getattr(causal_lm(model).generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [tokenizer.eos_token_id, *listed] if token is not None})


@dataclass(frozen=True)
class InProcessSampler:
    """Samples with the model at hand: KV cache, prompts sorted by length, finished rows dropped.

    At most ``batch_rows`` rows run together; those that share a prompt (best-of-n) share its encoding.
    """

    model: Scorable
    tokenizer: PreTrainedTokenizerBase
    batch_rows: int = 128

    def sample(
        self,
        prompts: Sequence[list[int]],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> list[Sampled]:
        """Continue each prompt; see ``Sampler``.

        Raises:
            UserError: a prompt with ``max_new_tokens`` is longer than the model's context.
            ValueError: not one seed a prompt, or a temperature or top-p out of range.
        """
        if len(prompts) != len(seeds) or temperature < 0 or not 0 < top_p <= 1:
            raise ValueError(
                f"got {len(prompts)} prompts, {len(seeds)} seeds, temperature {temperature}, top_p {top_p}; "
                "want one seed a prompt, temperature >= 0 and 0 < top_p <= 1"
            )
        _require_room(prompts, max_new_tokens, context_length(self.model))
        order = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), prompts[row], row))
        ends = end_token_ids(self.model, self.tokenizer)
        draw = partial(draw_tokens, temperature=temperature, top_p=top_p)
        stopped = partial(holds_any, tokenizer=self.tokenizer, stop=stop) if stop else None
        sampled: dict[int, Sampled] = {}
        with evaluating(self.model):
            for start in range(0, len(order), self.batch_rows):
                rows = order[start : start + self.batch_rows]
                uniforms = np.stack([_uniforms(seeds[row], max_new_tokens) for row in rows])
                drawn = _continue(self.model, [prompts[row] for row in rows], uniforms, ends, draw, stopped)
                sampled |= zip(rows, drawn, strict=True)
        return [sampled[row] for row in range(len(prompts))]


def draw_tokens(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> Tensor:
    """One token a row by inverse cumulative distribution; [rows, vocabulary], [rows] in [0, 1) -> [rows].

    ``top_p`` < 1 keeps the likeliest tokens up to the one that brings their mass to ``top_p``.
    """
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits.double() / temperature).softmax(-1)
    if top_p == 1:
        return _invert(probabilities, uniforms)
    ranked, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    nucleus = ranked * (ranked.cumsum(-1) - ranked < top_p)
    return tokens.gather(-1, _invert(nucleus, uniforms)[:, None]).squeeze(-1)


def holds_any(rows: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]) -> list[bool]:
    """Whether the text of each row of ids holds one of the strings ``stop``."""
    texts = tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [any(mark in text for mark in stop) for text in texts]


def _invert(weights: Tensor, uniforms: Tensor) -> Tensor:
    """First index whose cumulative weight exceeds ``uniforms`` x total weight, [rows]."""
    cumulative = weights.cumsum(-1)
    found = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True)
    return found.squeeze(-1).clamp(max=weights.shape[-1] - 1)


def _uniforms(seed: int, count: int) -> npt.NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(key=seed)).random(count)


def _require_room(prompts: Sequence[list[int]], max_new_tokens: int, limit: int) -> None:
    for row, prompt in enumerate(prompts):
        if len(prompt) + max_new_tokens > limit:
            raise UserError(
                f"row {row}: prompt of {len(prompt)} tokens and {max_new_tokens} new ones exceed the model's "
                f"context of {limit}; filter the prompt or lower max_new_tokens"
            )


def _continue(
    model: Scorable,
    prompts: list[list[int]],
    uniforms: npt.NDArray[np.float64],
    ends: list[int],
    draw: Callable[[Tensor, Tensor], Tensor],
    stopped: Callable[[list[list[int]]], list[bool]] | None = None,
) -> list[Sampled]:
    """Sample one batch. An ended row runs on until an eighth of the rows have; what it adds is cut off.

    Stop strings are looked for every ``STOP_STEPS`` tokens: what follows one is for the caller to cut off.
    """
    decoder = _Decoder(model)
    device = decoder.device
    chances, stops = torch.from_numpy(uniforms).to(device), torch.tensor(ends, device=device)
    ids = torch.zeros(uniforms.shape, dtype=torch.int64, device=device)
    log_probs = torch.zeros(uniforms.shape, device=device)
    live = torch.arange(len(prompts), device=device)
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    halted: dict[int, int] = {}
    hidden = decoder.encode(prompts)
    for step in range(uniforms.shape[1]):
        logits = real_logits(model, hidden)
        tokens = draw(logits, chances[live, step])
        ids[live, step], log_probs[live, step] = tokens, label_log_probs(logits, tokens)
        ended |= torch.isin(tokens, stops)
        if stopped and (step + 1) % STOP_STEPS == 0:
            held = torch.tensor(stopped(ids[live, : step + 1].tolist()), device=device)
            halted |= dict.fromkeys(live[held & ~ended].tolist(), step + 1)
            ended |= held
        finished = int(ended.sum())
        if finished == len(live) or step + 1 == uniforms.shape[1]:
            break
        if finished * 8 >= len(live):
            kept = (~ended).nonzero().squeeze(-1)
            decoder.keep(kept)
            live, ended, tokens = live[kept], ended[kept], tokens[kept]
        hidden = decoder.advance(tokens)
    rows = zip(ids.tolist(), log_probs.cpu().double(), strict=True)
    return [_cut(row, scores, ends, halted.get(place)) for place, (row, scores) in enumerate(rows)]


def _cut(ids: list[int], log_probs: Tensor, ends: list[int], halted: int | None) -> Sampled:
    """A row up to its end token, or up to where its text was found to hold a stop string."""
    places = [place for place, token in enumerate(ids, start=1) if token in ends][:1]
    length = min([*places, *([halted] if halted else [])], default=None)
    return Sampled(ids[:length], length is not None, float(log_probs[:length].sum()))


class _Decoder:
    """A cache and what goes with it: the mask over its columns and each row's next position."""

    def __init__(self, model: Scorable) -> None:
        lm = causal_lm(model)
        self.model, self.device = model, lm.device
        self.cache = growing_cache(lm.config)

    def encode(self, prompts: list[list[int]]) -> Tensor:
        """Encode each different prompt once, padded on the left; last hidden states [prompts, hidden]."""
        place = {prompt: index for index, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        width = max(map(len, place))
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in place], device=self.device)
        lengths = torch.tensor([[len(prompt)] for prompt in place], device=self.device)
        columns = torch.arange(width, device=self.device)[None, :]
        self.mask, self.position = columns >= width - lengths, lengths
        hidden = self._run(ids, (columns - width + lengths).clamp(min=0))
        if len(place) == len(prompts):
            return hidden
        rows = torch.tensor([place[tuple(prompt)] for prompt in prompts], device=self.device)
        self.keep(rows)
        return hidden[rows]

    def advance(self, tokens: Tensor) -> Tensor:
        """Feed one token a row, [rows]; the hidden states that predict the next, [rows, hidden]."""
        self.mask = torch.nn.functional.pad(self.mask, (0, 1), value=True)
        hidden = self._run(tokens[:, None], self.position)
        self.position = self.position + 1
        return hidden

    def keep(self, rows: Tensor) -> None:
        """Select rows, in the order given and with repeats, in everything that is kept."""
        self.cache.batch_select_indices(rows)
        self.mask, self.position = self.mask[rows], self.position[rows]

    def _run(self, ids: Tensor, positions: Tensor) -> Tensor:
        return run_body(
            self.model,
            input_ids=ids,
            position_ids=positions,
            attention_mask=self.mask.long(),
            past_key_values=self.cache,
        )[:, -1]
