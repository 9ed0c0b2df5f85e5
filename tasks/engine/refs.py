"""Typed references: what one stage hands to the next. Small, frozen, serialisable; never tensors or rows."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen


class Ref(Frozen):
    """A pointer to an immutable artifact in the store.

    ``digest`` (SHA-256 of the content) identifies it: two references are the same input to a stage exactly
    when kind and digest agree. ``made_by`` names the stage run that wrote it and is not part of identity.
    """

    kind: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(0, ge=0)
    made_by: str = ""

    @property
    def path(self) -> str:
        """Path relative to the store's root."""
        return f"{self.kind}/{self.digest[:2]}/{self.digest}"

    def identity(self) -> dict[str, str]:
        """The part of the reference that a cache key depends on."""
        return {"kind": self.kind, "digest": self.digest}


class DatasetRef(Ref):
    """Rows of one shape (see ``tasks.data.rows``), stored as Parquet."""

    kind: Literal["dataset"] = "dataset"
    name: str = ""
    rows: int = 0


class Checkpoint(Ref):
    """A causal language model with its tokenizer: safetensors weights, config and tokenizer files."""

    kind: Literal["checkpoint"] = "checkpoint"
    parameters: int = 0
    trained_tokens: int = 0


class RewardRef(Ref):
    """A fitted reward model."""

    kind: Literal["reward"] = "reward"
    parameters: int = 0


class Samples(Ref):
    """Responses sampled from a policy for given prompts, stored as Parquet."""

    kind: Literal["samples"] = "samples"
    rows: int = 0
    tokens: int = 0


class LogProbs(Ref):
    """Summed log-probabilities of given responses under one frozen model, stored as Parquet."""

    kind: Literal["log_probs"] = "log_probs"
    rows: int = 0


class Scores(Ref):
    """Tidy scores: paper, arm, seed, suite, prompt_id, metric, value; stored as Parquet."""

    kind: Literal["scores"] = "scores"
    rows: int = 0


class Rewards(Ref):
    """Rewards of sampled responses under one reward function, stored as Parquet."""

    kind: Literal["rewards"] = "rewards"
    rows: int = 0


class Answers(Ref):
    """A model's answers to a suite's questions, stored as Parquet."""

    kind: Literal["answers"] = "answers"
    rows: int = 0


class PairStream(Ref):
    """Pairs that a run drew and learned from, batch by batch, stored as Parquet and JSON."""

    kind: Literal["pair_stream"] = "pair_stream"
    rows: int = 0
    steps: int = 0


class CheckpointSeries(Frozen):
    """Checkpoints of one training run, in the order of their optimiser steps; the last one is final."""

    steps: list[int]
    checkpoints: list[Checkpoint]

    @property
    def final(self) -> Checkpoint:
        """The checkpoint after the last optimiser step."""
        return self.checkpoints[-1]


class FreshRun(Frozen):
    """What a run on fresh pairs leaves: its checkpoints, and the pairs it learned from."""

    series: CheckpointSeries
    stream: PairStream


def checkpoint_in(result: object) -> Checkpoint | None:
    """The checkpoint that a stage's result is, or that its series ends with."""
    series = result.series if isinstance(result, FreshRun) else result
    final = series.final if isinstance(series, CheckpointSeries) else series
    return final if isinstance(final, Checkpoint) else None


class PreferenceData(Frozen):
    """Pairs to train on, pairs held out by prompt, and what is made of them."""

    pairs: DatasetRef
    held_out_pairs: DatasetRef
    demonstrations: DatasetRef
    """The chosen responses of the training pairs: SFT's targets (DPO, arXiv 2305.18290, section 6)."""
    evaluation: DatasetRef
    """Held-out prompts with their chosen response, each prompt once."""
