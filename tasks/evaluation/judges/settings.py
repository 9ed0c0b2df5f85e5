"""The form in which a judge is chosen."""

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, field_validator

from tasks.engine.schema import Frozen

Kind = Literal["auto", "none", "gold", "biased_gold", "reward_model", "local", "endpoint", "recorded"]
PRESENTATION: dict[str, JsonValue] = {"presentation": True}
"""For what changes how answers are fetched and not what they are: no part of a stage's cache key."""


class JudgeSettings(Frozen):
    """Who judges, and how it is reached. Keys are never settings: only the name of the place that holds one is."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Kind = Field(
        "auto",
        description="Who judges: the gold reward of the tiny world, its length-biased variant, a reward model, a "
        "local chat model, an OpenAI-compatible endpoint, or verdicts recorded in a file. auto: recorded verdicts if "
        "there are any, else base_url's endpoint, else what model's weights are made for, else the suite's usual judge",
    )
    model: str = Field(
        "",
        max_length=4000,
        description="Folder or Hub id of a reward model or local chat model; the served name at an endpoint",
    )
    revision: str = Field(
        "",
        max_length=100,
        description="Branch, tag or commit of a Hub id (empty: main). Of an endpoint: a name of your own for what is "
        "served there, which stands for base_url in caches and scores (empty: base_url)",
    )
    base_url: str = Field(
        "",
        max_length=2000,
        pattern=r"^(https?://[^\s@?#]+)?$",
        description="Address of an OpenAI-compatible API, e.g. https://api.openai.com/v1 or http://127.0.0.1:8000/v1; "
        "no user name, password or query in it",
    )
    api_key_variable: str = Field(
        "OPENAI_API_KEY",
        max_length=200,
        pattern=r"^([A-Z_][A-Z0-9_]*)?$",
        description="Name, in capitals, of the environment variable that holds the endpoint's key; empty: it wants "
        "none. A server on this machine needs none",
        json_schema_extra=PRESENTATION,
    )
    api_key_block: str = Field(
        "",
        max_length=200,
        pattern=r"^([a-z0-9-]+)?$",
        description="Name of a Prefect Secret block that holds the key; empty: the environment variable does",
        json_schema_extra=PRESENTATION,
    )
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="Field in which the endpoint wants the longest answer (OpenAI's reasoning models: "
        "max_completion_tokens)", json_schema_extra=PRESENTATION,
    )  # fmt: skip
    requests_per_minute: float = Field(
        0.0, ge=0.0, le=1e6, description="Most requests a minute, evenly spaced; 0: no limit",
        json_schema_extra=PRESENTATION,
    )  # fmt: skip
    concurrency: int = Field(
        8, ge=1, le=1024, description="Most requests under way at a time", json_schema_extra=PRESENTATION
    )
    timeout_seconds: float = Field(
        120.0, ge=0.1, le=3600.0, description="Longest wait for one answer", json_schema_extra=PRESENTATION
    )
    retries: int = Field(
        6, ge=0, le=100, description="How often a request is sent again that met an error which can pass",
        json_schema_extra=PRESENTATION,
    )  # fmt: skip
    backoff_seconds: float = Field(
        1.0, ge=0.0, le=600.0, description="Wait before the first retry, doubled for each further one, plus up to as "
        "much again by chance", json_schema_extra=PRESENTATION,
    )  # fmt: skip
    longest_wait_seconds: float = Field(
        120.0, ge=0.0, le=86_400.0, description="Longest wait before a retry; a server that asks for more "
        "(Retry-After) counts as failing", json_schema_extra=PRESENTATION,
    )  # fmt: skip
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="Number format of a reward model's or local model's weights"
    )
    batch_rows: int = Field(
        16, ge=1, le=65_536, description="Responses or requests that such a model reads together",
        json_schema_extra=PRESENTATION,
    )  # fmt: skip

    @field_validator("api_key_block")
    @classmethod
    def is_no_key(cls, name: str) -> str:
        """Refuse a key put where a block's name belongs, which some keys could be."""
        if name.startswith("sk-"):
            raise ValueError("this looks like a key; wanted is the name of the Prefect Secret block that holds it")
        return name
