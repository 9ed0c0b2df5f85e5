"""Responses sampled from a policy, kept as an artifact."""

from pathlib import Path
from typing import Required

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.rows import PromptRow
from tasks.data.tables import ROWS, read_rows_of
from tasks.engine.refs import Checkpoint, DatasetRef, Samples
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.encoding import decode_response, encode_prompt
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler, row_seeds


class SampleRow(PromptRow, total=False):
    """One sampled response."""

    sample: Required[int]
    """Number of the response among those of its prompt, from 0."""
    response: Required[str]
    ids: Required[list[int]]
    """Token ids as sampled, EOS included where it came."""
    finished: Required[bool]
    """False where the response was cut off at ``max_new_tokens``."""
    log_prob: Required[float]
    """log pi(response | prompt) at temperature 1, in nats."""


def sample_responses(
    policy: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    per_prompt: int,
    model: ModelConfig,
    seed: int,
) -> Samples:
    """Draw ``per_prompt`` responses to every prompt."""
    current_tracker().dataset(prompts, "sampling")
    opened, tokenizer = open_frozen(policy, model)
    sampler = InProcessSampler(opened, tokenizer, decoding.batch_rows)
    rows = draw(sampler, read_rows_of(prompts, PromptRow), decoding, per_prompt, seed)
    return store_samples(rows)


def draw(
    sampler: InProcessSampler, prompts: list[PromptRow], decoding: Decoding, per_prompt: int, seed: int
) -> list[SampleRow]:
    """``per_prompt`` responses a prompt, prompt by prompt; each depends on its prompt, number and ``seed`` alone."""
    keys = [(row, number) for row in prompts for number in range(per_prompt)]
    ids = [encode_prompt(sampler.tokenizer, row["prompt"]) for row in prompts]
    repeated = [prompt for prompt in ids for _ in range(per_prompt)]
    seeds = row_seeds(seed, [f"{row['prompt_id']}/{number}" for row, number in keys])
    found = sampler.sample(repeated, seeds, decoding.max_new_tokens, decoding.temperature, decoding.top_p)
    return [
        SampleRow(
            prompt_id=row["prompt_id"],
            prompt=row["prompt"],
            family=row["family"],
            sample=number,
            response=decode_response(sampler.tokenizer, one.ids),
            ids=one.ids,
            finished=one.finished,
            log_prob=one.log_prob,
        )
        for (row, number), one in zip(keys, found, strict=True)
    ]


def store_samples(rows: list[SampleRow]) -> Samples:
    """Store sampled rows."""

    def fill(folder: Path) -> None:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), folder / ROWS)

    return Store().write(Samples, fill, rows=len(rows), tokens=sum(len(row["ids"]) for row in rows))
