"""The six log-probabilities that SRPO reads of a pair, under a frozen model."""

from collections.abc import Sequence

import pandas as pd
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, DatasetRef, LogProbs
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.opening import open_frozen
from tasks.models.packing import EncodedGroup
from tasks.models.reference import score_groups
from tasks.policy.objectives.srpo import RESPONSES
from tasks.policy.revising.settings import RevisionFormat
from tasks.policy.revising.turns import revision_prompt

FILE = "log_probs.parquet"
CONTEXTS = 3
"""Contexts a pair: the prompt, the prompt with the rejected draft, the prompt with the chosen draft."""


def encode_revisions(tokenizer: PreTrainedTokenizerBase, row: PairRow, revision: RevisionFormat) -> list[EncodedGroup]:
    """Both responses of a pair in its ``CONTEXTS``: their scores, one after another, are SRPO's ``RESPONSES``."""
    answers = [encode_response(tokenizer, row[side]) for side in ("chosen", "rejected")]
    drafts = [revision_prompt(row["prompt"], row[side], revision) for side in ("rejected", "chosen")]
    return [EncodedGroup(encode_prompt(tokenizer, prompt), answers) for prompt in (row["prompt"], *drafts)]


def score_revisions(model: Checkpoint, pairs: DatasetRef, revision: RevisionFormat, config: ModelConfig) -> LogProbs:
    """Scores of every pair's ``RESPONSES`` under a frozen ``model``, in nats.

    Raises UserError if a prompt with draft and response is longer than the model's context.
    """
    current_tracker().dataset(pairs, "scoring")
    opened, tokenizer = open_frozen(model, config)
    groups = [group for row in read_rows_of(pairs, PairRow) for group in encode_revisions(tokenizer, row, revision)]
    return store_revision_log_probs(by_pair(score_groups(opened, groups)))


def by_pair(scores: Sequence[Sequence[float]]) -> list[list[float]]:
    """[pairs x CONTEXTS][2] scores as [pairs][6]."""
    flat = [score for pair in scores for score in pair]
    width = len(RESPONSES)
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def store_revision_log_probs(scores: Sequence[Sequence[float]]) -> LogProbs:
    """Store scores [pairs][6]."""
    table = pd.DataFrame(scores, columns=list(RESPONSES))
    return Store().write(LogProbs, lambda folder: table.to_parquet(folder / FILE, index=False), rows=len(table))


def read_revision_log_probs(ref: LogProbs) -> list[list[float]]:
    """The same in the order of the pairs: [pairs][6], columns as ``RESPONSES``."""
    rows: list[list[float]] = pd.read_parquet(Store().open(ref) / FILE)[list(RESPONSES)].to_numpy().tolist()
    return rows
