"""A chat model in this process: any causal language model of a folder or the Hub."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tasks.engine.schema import UserError
from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.chat import Costs, Store, complete_through_cache
from tasks.evaluation.judges.judge import ChatRequest, Completion
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.judges.weights import weights_name, weights_version
from tasks.models.batching import pad_right
from tasks.models.config import ModelConfig
from tasks.models.encoding import decode_response, encode_prompt
from tasks.models.loading import load_model
from tasks.models.opening import device
from tasks.models.parts import causal_lm, context_length, evaluating, real_logits, run_body
from tasks.models.sampling import InProcessSampler, draw_tokens, row_seeds


class Row(NamedTuple):
    """A request to answer: its key in the cache and its prompt's token ids."""

    key: str
    ids: list[int]


class LocalChatModel:
    """A ``ChatModel`` of weights in this process, loaded at the first request that is not cached.

    Temperature 0 is greedy; above it, an answer depends on the request alone and not on its batch. Log-probabilities
    are those at temperature 1.
    """

    def __init__(self, settings: JudgeSettings, cache: AnswerCache) -> None:
        """Find out which weights these are. Raises UserError if there are none."""
        self.name = weights_name(settings.model)
        self.version = f"{weights_version(settings.model, settings.revision)}/{settings.dtype}"
        self.costs = Costs()
        self._settings, self._cache = settings, cache

    def complete(self, requests: Sequence[ChatRequest]) -> list[Completion]:
        """See ``ChatModel.complete``. Raises UserError before any answer if a request exceeds the model's context."""
        return complete_through_cache(requests, f"local {self.version}", self._cache, self.costs, self._ask)

    @cached_property
    def sampler(self) -> InProcessSampler:
        """The model and its tokenizer."""
        config = ModelConfig(
            path=self._settings.model, revision=self._settings.revision or "main", dtype=self._settings.dtype
        )
        model, tokenizer = load_model(self._settings.model, config)
        return InProcessSampler(model.to(device()).requires_grad_(False), tokenizer, self._settings.batch_rows)

    def _ask(self, missing: Mapping[str, ChatRequest], store: Store) -> Sequence[str]:
        rows = {key: Row(key, encode_prompt(self.sampler.tokenizer, one.messages)) for key, one in missing.items()}
        self._require_room(missing, rows)
        for request, batch in batches(missing, rows, self._settings.batch_rows):
            for row, completion in zip(batch, self._answer(request, batch), strict=True):
                store(row.key, completion)
        return []

    def _require_room(self, missing: Mapping[str, ChatRequest], rows: Mapping[str, Row]) -> None:
        context = context_length(self.sampler.model)
        wanted = [len(rows[key].ids) + request.max_tokens for key, request in missing.items()]
        if too_long := sum(length > context for length in wanted):
            raise UserError(
                f"judge {self.name}: {too_long} of {len(wanted)} requests with their answers are longer than its "
                f"context of {context} tokens (the longest {max(wanted)}); use a judge with a longer context"
            )

    def _answer(self, request: ChatRequest, batch: Sequence[Row]) -> list[Completion]:
        """Answers to requests that differ from ``request`` in their messages only."""
        prompts, seeds = [row.ids for row in batch], row_seeds(0, [row.key for row in batch])
        logits = first_logits(self.sampler, prompts) if request.top_logprobs else None
        likely = [()] * len(batch) if logits is None else self._likeliest(logits, request.top_logprobs)
        if logits is not None and request.max_tokens == 1:
            chances = torch.tensor([np.random.default_rng(seed).random() for seed in seeds], dtype=torch.float64)
            drawn = [[token] for token in draw_tokens(logits, chances, request.temperature, 1.0).tolist()]
        else:
            sampled = self.sampler.sample(prompts, seeds, request.max_tokens, request.temperature)
            drawn = [one.ids for one in sampled]
        return [
            Completion(decode_response(self.sampler.tokenizer, ids), first, len(prompt), len(ids))
            for prompt, ids, first in zip(prompts, drawn, likely, strict=True)
        ]

    def _likeliest(self, logits: Tensor, count: int) -> list[tuple[tuple[str, float], ...]]:
        log_probs, tokens = logits.log_softmax(-1).topk(min(count, logits.shape[-1]))
        decode = self.sampler.tokenizer.decode
        return [
            tuple((decode([token]), value) for token, value in zip(*row, strict=True))
            for row in zip(tokens.tolist(), log_probs.tolist(), strict=True)
        ]


def batches(
    missing: Mapping[str, ChatRequest], rows: Mapping[str, Row], batch_rows: int
) -> Iterator[tuple[ChatRequest, list[Row]]]:
    """Batches of requests that want the same kind of answer, the longest prompts first, each with one of them."""
    alike: dict[tuple[int, float, int], list[Row]] = defaultdict(list)
    for key, request in missing.items():
        alike[request.max_tokens, request.temperature, request.top_logprobs].append(rows[key])
    for members in alike.values():
        members.sort(key=lambda row: -len(row.ids))
        for start in range(0, len(members), batch_rows):
            batch = members[start : start + batch_rows]
            yield missing[batch[0].key], batch


def first_logits(sampler: InProcessSampler, prompts: Sequence[list[int]]) -> Tensor:
    """Logits of the token that follows each prompt, [rows, real vocabulary], float32 on the CPU."""
    ids, mask = pad_right(prompts, 0)
    where = causal_lm(sampler.model).device
    last = mask.sum(-1) - 1
    with evaluating(sampler.model):
        hidden = run_body(sampler.model, input_ids=ids.to(where), attention_mask=mask.to(where))
        return real_logits(sampler.model, hidden[torch.arange(len(prompts)), last.to(where)]).cpu()
