"""Where every policy starts: a small model pretrained on the tiny world, or weights from elsewhere."""

from collections.abc import Sequence

import torch

from tasks.data.byte_pair import train_tokenizer
from tasks.data.loading import load_pairs, texts_of
from tasks.data.quality import count_words
from tasks.data.source import DataSource
from tasks.data.tiny_world.pretraining import curriculum
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.loading import load_model, save_model
from tasks.models.log_probs import ResponseScorer
from tasks.models.packing import EncodedGroup
from tasks.policy.loop import parameter_count, train
from tasks.policy.optimisation import ByteVocabulary, Pretraining
from tasks.policy.snapshots import Snapshots
from tasks.policy.supervised import likelihood_loss


def pretrain(pretraining: Pretraining, scratch: ScratchModel, seed: int) -> Checkpoint:
    """A small Llama trained on the tiny world's mixture: correct demonstrations, and copying to begin with."""
    tokenizer = build_tokenizer()
    model = build_from_scratch(scratch, tokenizer, seed)
    rows = curriculum(pretraining.steps * pretraining.batch_size, seed)
    groups = [
        EncodedGroup(encode_prompt(tokenizer, row["prompt"]), [encode_response(tokenizer, row["response"])])
        for row in rows
    ]
    plan = plan_in_order(groups, pretraining.batch_size)
    tracker = current_tracker()
    snapshots = Snapshots(model, tokenizer, tracker)
    weights = torch.ones(len(groups))
    loss_of = likelihood_loss(groups, weights)
    train(ResponseScorer(model), plan, loss_of, pretraining, tracker, snapshots.take, [len(plan)])
    return snapshots.series([len(plan)]).final


def plan_in_order(groups: Sequence[EncodedGroup], batch_size: int) -> list[list[int]]:
    """Batches in the curriculum's order, each sorted by length so that its micro-batches hold little padding.

    Every batch mixes the families: batches of one length are batches of one family, and with those the policy
    learned to copy far later.
    """

    def length(row: int) -> int:
        return len(groups[row].prompt) + len(groups[row].responses[0])

    starts = range(0, len(groups) - batch_size + 1, batch_size)
    return [sorted(range(start, start + batch_size), key=length) for start in starts]


def initialise_for(source: DataSource, vocabulary: ByteVocabulary, scratch: ScratchModel, seed: int) -> Checkpoint:
    """An untrained Llama with a byte-level BPE tokenizer trained on the training part of ``source``.

    Rows are judged by what needs no tokenizer; lengths are checked when the pairs are prepared.
    """
    loaded = load_pairs(source.model_copy(update={"max_prompt_tokens": 0, "max_response_tokens": 0}), count_words)
    tokenizer = train_tokenizer(texts_of(loaded.train), vocabulary.size)
    model = build_from_scratch(scratch, tokenizer, seed)
    return Store().write(
        Checkpoint, lambda folder: save_model(model, tokenizer, folder), parameters=parameter_count(model)
    )


def import_model(model: ModelConfig) -> Checkpoint:
    """Pretrained weights from a folder or the Hub, as an artifact with a digest."""
    plain = model.model_copy(update={"lora_rank": 0})
    loaded, tokenizer = load_model(model.path, plain)
    return Store().write(
        Checkpoint, lambda folder: save_model(loaded, tokenizer, folder), parameters=parameter_count(loaded)
    )
