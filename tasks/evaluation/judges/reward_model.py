"""A learned reward model as a judge: a Hugging Face sequence classifier with one label."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from jinja2.exceptions import TemplateError
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tasks.data.columnar import one_line
from tasks.data.rows import Message
from tasks.engine.schema import UserError
from tasks.evaluation.judges.chat import running_tracker
from tasks.evaluation.judges.judge import (
    Comparison,
    Grade,
    GradeTemplate,
    Grading,
    PairTemplate,
    Verdict,
    conversation,
)
from tasks.evaluation.judges.order import preference_of
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.judges.weights import weights_name, weights_version
from tasks.models.batching import pad_right
from tasks.models.encoding import PLAIN_TEMPLATE
from tasks.models.loading import UNREADABLE
from tasks.models.opening import device


@dataclass
class RewardModel:
    """A ``Judge`` by reward r(x, y), and its rewards for benchmarks of reward models; loaded at first use.

    Win rates count the order of two rewards; sigmoid(r2 - r1), the Bradley-Terry probability, is only told in a
    verdict's text.
    """

    settings: JudgeSettings
    name: str = ""
    version: str = ""
    kind: Literal["reward"] = "reward"
    truncated_rows: int = field(default=0, init=False)
    """Conversations read so far that were longer than the model's context."""

    def __post_init__(self) -> None:
        """Find out which weights these are. Raises UserError if there are none."""
        self.name = weights_name(self.settings.model)
        self.version = f"{weights_version(self.settings.model, self.settings.revision)}/{self.settings.dtype}"

    def compare(self, comparisons: Sequence[Comparison], template: PairTemplate) -> list[Verdict]:
        """1, 0, or 0.5 for rewards within 1e-9."""
        pairs = [(conversation(one.prompt, one.first_turns), one.first) for one in comparisons]
        pairs += [(conversation(one.prompt, one.second_turns), one.second) for one in comparisons]
        rewards = self.rewards(pairs)
        return [
            Verdict(
                one.comparison_id,
                preference_of(first, second),
                text=f"rewards {first:.6g} and {second:.6g}; P(second is better) {sigmoid(second - first):.4f}",
            )
            for one, first, second in zip(
                comparisons, rewards[: len(comparisons)], rewards[len(comparisons) :], strict=True
            )
        ]

    def grade(self, gradings: Sequence[Grading], template: GradeTemplate) -> list[Grade]:
        """lowest + sigmoid(r) (highest - lowest)."""
        rewards = self.rewards([(conversation(one.prompt, one.earlier), one.response) for one in gradings])
        span = template.highest - template.lowest
        return [
            Grade(one.grading_id, template.lowest + sigmoid(reward) * span, f"reward {reward:.6g}")
            for one, reward in zip(gradings, rewards, strict=True)
        ]

    def rewards(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[float]:
        """r(x, y) of each (conversation that ends in a user turn, response), in order; equal ones are read once.

        Read twice they could differ by rounding, in batches padded to other lengths, and a tie would be none. Of a
        conversation longer than the model's context the last tokens are read; such rows are counted in
        ``judge/truncated_rows``. Raises UserError if the tokenizer's chat template refuses one.
        """
        model, tokenizer = self._loaded
        context = int(getattr(model.config, "max_position_embeddings", 0) or 2**30)
        rows = [tuple(encode(tokenizer, prompt, response)) for prompt, response in pairs]
        self.truncated_rows += sum(len(row) > context for row in set(rows))
        rows = [row[-context:] for row in rows]
        found: dict[tuple[int, ...], float] = {}
        tracker = running_tracker()
        distinct = sorted(dict.fromkeys(rows), key=lambda row: -len(row))
        for start in range(0, len(distinct), self.settings.batch_rows):
            batch = distinct[start : start + self.settings.batch_rows]
            found |= zip(batch, score(model, batch), strict=True)
            if tracker:
                tracker.progress(len(found), len(distinct), "rewards")
        if tracker:
            tracker.metrics({"judge/truncated_rows": self.truncated_rows}, 0)
        return [found[row] for row in rows]

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        return load_reward_model(self.settings)


def load_reward_model(settings: JudgeSettings) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model in evaluation mode on this process's device, and tokenizer; from safetensors, without code of its own.

    Raises UserError if it cannot be read, has another number of labels than one, or weights are missing (the head
    of a model that was never a reward model would be random).
    """
    place = {"pretrained_model_name_or_path": settings.model, "revision": settings.revision or "main"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**place, trust_remote_code=False)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            **place,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=getattr(torch, settings.dtype),
            output_loading_info=True,
        )
    except UNREADABLE as error:
        raise UserError(
            f"judge: reward model {settings.model} cannot be loaded ({one_line(error)[:200]}); it needs configuration, "
            "tokenizer and safetensors of a sequence classifier"
        ) from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise UserError(f"judge: {settings.model} lacks weights of a reward model ({missing}); give a trained one")
    if model.config.num_labels != 1:
        raise UserError(f"judge: {settings.model} has {model.config.num_labels} labels; a reward model has one")
    pooling = getattr(model.config, "reward_pooling", "last_token")
    if pooling != "last_token":
        raise UserError(
            f"judge: {settings.model} gives its reward as a {pooling} over tokens, and this judge reads last tokens; "
            "give a reward model that was fitted with pooling last_token"
        )
    mark_padding(model, tokenizer)
    return model.to(device()).eval().requires_grad_(False), tokenizer


def mark_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Say which id pads: the model reads its reward at the last token before the padding."""
    if model.config.pad_token_id is None:
        known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        model.config.pad_token_id = next(token for token in known if token is not None)


def encode(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], response: str) -> list[int]:
    """Ids of a conversation and its response, under the chat template or, where there is none, a plain one."""
    messages = [*prompt, Message(role="assistant", content=response)]
    try:
        ids = tokenizer.apply_chat_template(
            messages,
            chat_template=tokenizer.chat_template or PLAIN_TEMPLATE,
            add_generation_prompt=False,
            return_dict=False,
            **({} if tokenizer.bos_token else {"bos_token": ""}),
        )
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise UserError(f"judge: chat template of {tokenizer.name_or_path} refuses turns ({roles}): {error}") from error
    return list(ids)


def score(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[float]:
    """Rewards of one batch of token ids."""
    ids, mask = pad_right(rows, model.config.pad_token_id)
    with torch.no_grad():
        logits = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits
    rewards: list[float] = logits.squeeze(-1).float().tolist()
    return rewards


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)) without overflow."""
    return 1.0 / (1.0 + math.exp(-value)) if value >= 0 else math.exp(value) / (1.0 + math.exp(value))
