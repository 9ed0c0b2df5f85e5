"""Reward models as artifacts: a Hugging Face sequence classifier and what it was fitted on.

The classifier has one label, the head that rewards are taken from, so that any program reads the same reward from
it, unless its configuration says that the reward is a mean over tokens (``reward_pooling``). Where there are more
heads, all of them lie beside it in ``heads.safetensors``.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from tasks.engine.files import write_json
from tasks.engine.refs import RewardRef
from tasks.engine.schema import Frozen, UserError
from tasks.engine.store import Store
from tasks.models.config import ModelConfig
from tasks.models.loading import UNREADABLE, save_model
from tasks.models.opening import device
from tasks.models.parts import disable_dropout
from tasks.reward.model import RewardNetwork

CARD, HEADS = "reward.json", "heads.safetensors"


class RewardCard(Frozen):
    """What a reward model is and what it was fitted on: ``reward.json``."""

    objective: dict[str, Any] = Field(description="Settings of the objective; its kind among them")
    heads: list[str] = Field(description="Names of the heads; rewards are taken from the first", min_length=1)
    higher_is_better: bool = Field(True, description="Whether a higher score is better; not so for costs")
    pooling: Literal["last_token", "mean"] = Field("last_token", description="Where scores are read")
    mean: list[float] = Field(description="Mean score of the held-out responses, one a head")
    standard_deviation: list[float] = Field(description="Their population standard deviation, one a head")
    accuracy: float = Field(description="Held-out pairs ranked as labelled; a tie counts half", ge=0.0, le=1.0)
    base: str = Field(description="Digest of the checkpoint whose body it started from")
    pairs: str = Field(description="Digest of the training pairs")
    pairs_name: str = Field("", description="Name of the training pairs")
    pairs_rows: int = Field(0, description="Number of training pairs", ge=0)
    held_out: str = Field(description="Digest of the held-out pairs")
    seed: int = Field(description="Seed of the head and of the order of the data; of the first, if averaged")
    averaged: list[str] = Field([], description="Digests of the reward models whose weights were averaged")


class OpenedReward(NamedTuple):
    """A fitted reward model, ready to score."""

    network: RewardNetwork
    tokenizer: PreTrainedTokenizerBase
    card: RewardCard


def store_reward(
    network: RewardNetwork, policy: nn.Module, tokenizer: PreTrainedTokenizerBase, card: RewardCard
) -> RewardRef:
    """Store a reward model on the body of ``policy``; LoRA adapters are merged into what is written."""
    with tempfile.TemporaryDirectory() as plain:
        save_model(policy, tokenizer, Path(plain))
        classifier = read_classifier(Path(plain), ModelConfig(dtype=_number_format(network.body)))
    return store_classifier(classifier, network.head.weight.detach(), tokenizer, card)


def store_classifier(
    classifier: PreTrainedModel, head: Tensor, tokenizer: PreTrainedTokenizerBase, card: RewardCard
) -> RewardRef:
    """Store a sequence classifier with ``head`` [heads, hidden] in place of its own."""
    with torch.no_grad():
        classifier.score.weight.copy_(head[:1])
    classifier.config.pad_token_id = padding(tokenizer)
    classifier.config.reward_pooling = card.pooling

    def fill(folder: Path) -> None:
        classifier.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if len(head) > 1:
            save_file({"head": head.cpu().contiguous()}, folder / HEADS)
        write_json(folder / CARD, card.model_dump(mode="json"))

    parameters = sum(value.numel() for value in classifier.base_model.parameters()) + head.numel()
    return Store().write(RewardRef, fill, parameters=parameters)


def open_reward(ref: RewardRef, config: ModelConfig) -> OpenedReward:
    """A fitted reward model on this process's device, frozen, with dropout off.

    Of ``config`` the number format and the attention kernel count. Raises UserError if ``ref`` is no reward model.
    """
    folder = Store().open(ref)
    card = read_card(ref)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    classifier = read_classifier(folder, config)
    weight = load_file(folder / HEADS)["head"] if (folder / HEADS).exists() else classifier.score.weight.detach()
    head = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    head.weight = nn.Parameter(weight.float())
    network = RewardNetwork(classifier.base_model, head, card.pooling).to(device()).eval().requires_grad_(False)
    return OpenedReward(network, tokenizer, card)


def read_card(ref: RewardRef) -> RewardCard:
    """The card of a reward model. Raises UserError if ``ref`` holds none."""
    path = Store().open(ref) / CARD
    if not path.exists():
        raise UserError(f"reward {ref.digest[:12]} has no {CARD}; give one that fit_reward or average_rewards made")
    return RewardCard.model_validate(json.loads(path.read_text()))


def read_classifier(folder: Path, config: ModelConfig) -> PreTrainedModel:
    """The sequence classifier of one label in ``folder``; a causal language model gets a head of no meaning.

    Raises:
        UserError: the folder cannot be read, or its architecture has no sequence classifier.
    """
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        classifier = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=1,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=getattr(torch, config.dtype),
            attn_implementation=config.attention,
        )
    except UNREADABLE as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise UserError(f"no reward model can be made of this checkpoint ({reason}); use another base") from error
    finally:
        logging.set_verbosity(before)
    disable_dropout(classifier)
    return classifier


def padding(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that pads, never EOS: a classifier reads its score at the last token that is not padding."""
    known = (tokenizer.pad_token_id, tokenizer.unk_token_id, 0, 1)
    return next(token for token in known if token is not None and token != tokenizer.eos_token_id)


def _number_format(body: PreTrainedModel) -> str:
    return str(body.dtype).removeprefix("torch.")
