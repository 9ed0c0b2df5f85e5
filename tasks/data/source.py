"""Where real data comes from and how its columns are called."""

from typing import Literal

from pydantic import Field

from tasks.engine.schema import Frozen

Shape = Literal["pairs", "transcripts", "ranked", "rated", "demonstrations", "prompts"]
"""``pairs``: chosen and rejected; ``transcripts``: the same as HH-RLHF dialogues in one string;
``ranked``: answers listed best first; ``rated``: answers with scores (UltraFeedback); ``demonstrations``:
messages, or prompt and response; ``prompts``: prompts alone."""

Pairing = Literal["best_worst", "all"]
"""Pairs made of one ranked or rated row: the best answer against the worst, or every ordered pair."""


class DataSource(Frozen):
    """A file, a folder, a glob or a Hub data set, with its columns mapped to ours."""

    path: str = Field(
        "",
        description="File, folder, glob or Hub id (org/name); JSONL, JSONL.gz, Parquet, Arrow or a folder "
        "written by save_to_disk. Empty: no real data.",
    )
    split: str = Field(
        "",
        description="Split to read; empty means train on the Hub and every file of a local folder.",
    )
    revision: str = Field("", description="Branch, tag or commit on the Hub; empty means main.")
    config_name: str = Field("", description="Configuration (subset) of a Hub data set; empty means its default.")
    offline: bool = Field(False, description="Read Hub data from the local cache only, as HF_HUB_OFFLINE=1 does.")
    shape: Literal["auto", "pairs", "transcripts", "ranked", "rated", "demonstrations", "prompts"] = Field(
        "auto", description="What a row holds; auto looks at the columns of the first 32 rows."
    )
    pairing: Pairing = Field(
        "best_worst",
        description="Pairs of a ranked or rated row: best against worst (UltraFeedback binarised), or all.",
    )
    prompt_column: str = Field("prompt", description="Column with the prompt: a string or chat messages.", min_length=1)
    chosen_column: str = Field(
        "chosen", description="Column with the preferred answer: a string or chat messages.", min_length=1
    )
    rejected_column: str = Field(
        "rejected", description="Column with the other answer: a string or chat messages.", min_length=1
    )
    response_column: str = Field("response", description="Column with the answer to imitate.", min_length=1)
    messages_column: str = Field("messages", description="Column with a whole conversation.", min_length=1)
    completions_column: str = Field(
        "completions", description="Column with the list of ranked or rated answers.", min_length=1
    )
    scores_column: str = Field(
        "scores", description="Column with one score per answer, higher is better.", min_length=1
    )
    completion_text_key: str = Field(
        "response", description="Key of the text where an answer is a record (UltraFeedback).", min_length=1
    )
    completion_score_key: str = Field(
        "overall_score",
        description="Key of the score where an answer is a record (UltraFeedback).",
        min_length=1,
    )
    max_prompt_tokens: int = Field(
        512, description="Longest prompt kept, in tokens of the policy (ours); 0 means no limit.", ge=0
    )
    max_response_tokens: int = Field(
        0, description="Longest answer kept, in tokens of the policy (ours); 0 means no limit.", ge=0
    )
    max_bad_share: float = Field(
        0.05, description="Share of bad rows above which the run stops (ours).", ge=0.0, le=1.0
    )
    limit: int = Field(0, description="Rows to read, from the first; 0 means all.", ge=0)
    held_out_share: float = Field(
        0.05, description="Share of prompts held out for evaluation (ours), chosen by digest.", ge=0.0, le=0.5
    )
