"""The base of every configuration model, and the one error a user is meant to read."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable, closed pydantic model: unknown keys are refused, so the form in Prefect's UI is exact.

    Fields carry a description and bounds; a nested model defaults to an instance (``sft: SFT = SFT()``),
    because ``default_factory`` leaves no default in the JSON schema that the form is drawn from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class UserError(Exception):
    """Something the user can put right: says what was wrong, where (file, row, key), and what to do.

    The command line prints its message as one line and exits with ``exit_code``.
    """

    exit_code = 2
