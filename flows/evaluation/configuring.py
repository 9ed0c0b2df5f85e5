"""From what was typed to an evaluation's configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from flows.drafting import Draft, parse_override
from flows.evaluation.evaluate import EvaluateConfig
from flows.explaining import explain
from tasks.engine.schema import UserError
from tasks.evaluation.suites.catalog import Suites


def evaluation_config(typed: Mapping[str, Mapping[str, Any]], overrides: Sequence[str] = ()) -> EvaluateConfig:
    """``typed`` (flag → values) over the defaults, then ``path=value`` overrides.

    A suite's settings are found below ``settings``, or at once by the suite's name: ``gsm8k.style=chat``.

    Raises UserError naming flag, key, value and what is allowed.
    """
    draft = Draft(EvaluateConfig().model_dump(mode="json"))
    for flag, values in typed.items():
        draft.merge(values, flag)
    for override in overrides:
        path = override if override.partition(".")[0] not in Suites.model_fields else f"settings.{override}"
        draft.merge(parse_override(path, EvaluateConfig), f"--set {override}")
    try:
        return EvaluateConfig.model_validate(draft.values)
    except ValidationError as error:
        raise UserError(explain(error, EvaluateConfig, draft.origin)) from error
