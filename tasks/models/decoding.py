"""How responses are drawn from a policy."""

from pydantic import Field

from tasks.engine.schema import Frozen


class Decoding(Frozen):
    """How responses are drawn."""

    temperature: float = Field(1.0, ge=0.0, le=10.0, description="Softmax temperature; 0 is greedy")
    top_p: float = Field(1.0, ge=0.01, le=1.0, description="Mass of the likeliest tokens kept (nucleus); 1 keeps all")
    max_new_tokens: int = Field(40, ge=1, le=65536, description="Longest response, EOS included")
    batch_rows: int = Field(
        128, ge=1, le=65536, description="Responses sampled together; the result does not depend on it",
        json_schema_extra={"presentation": True},
    )  # fmt: skip
