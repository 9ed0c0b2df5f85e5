"""From the form to the judge."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.judges.no_judge import NoJudge
from tasks.evaluation.judges.settings import JudgeSettings, Kind

if TYPE_CHECKING:
    from tasks.evaluation.judges.endpoint import Endpoint

Records = Sequence[dict[str, Any]]


def open_judge(settings: JudgeSettings, records: Records | None = None) -> Judge:
    """The judge that ``settings`` name; no weights are loaded and nothing is sent before it is asked something.

    ``records``: rows of recorded verdicts, where there are any. Kind ``auto`` takes those, else the endpoint at
    ``base_url``, else what the weights of ``model`` are made for, else no judge.

    Raises UserError naming the setting if one is missing, no key is found, or there is no model at a path.
    """
    match resolve_kind(settings, records):
        case "gold" | "biased_gold" as kind:
            from tasks.evaluation.judges.gold import GoldJudge

            return GoldJudge(biased=kind == "biased_gold")
        case "reward_model":
            require(settings, "model", "reward_model")
            from tasks.evaluation.judges.reward_model import RewardModel

            return RewardModel(settings)
        case "local":
            require(settings, "model", "local")
            return open_local(settings)
        case "endpoint":
            return open_endpoint(settings)
        case "recorded":
            return open_recorded(records)
    return NoJudge()


def check_judge(settings: JudgeSettings, records: Records | None = None) -> None:
    """Everything that can be known before anything is computed, an endpoint's answer and key included.

    Raises UserError as ``open_judge`` does, or if an endpoint cannot be reached or refuses the key.
    """
    if resolve_kind(settings, records) == "endpoint":
        make_endpoint(settings).check()
    else:
        open_judge(settings, records)


def resolve_kind(settings: JudgeSettings, records: Records | None) -> Kind:
    """The kind that ``auto`` stands for here; any other is itself."""
    if settings.kind != "auto":
        return settings.kind
    if records:
        return "recorded"
    if settings.base_url:
        return "endpoint"
    if settings.model:
        from tasks.evaluation.judges.weights import is_reward_model

        return "reward_model" if is_reward_model(settings.model, settings.revision) else "local"
    return "none"


def require(settings: JudgeSettings, name: str, kind: Kind) -> None:
    """Raises UserError if a setting that ``kind`` needs is empty."""
    if not getattr(settings, name):
        what = type(settings).model_fields[name].description
        raise UserError(f"judge.kind is {kind}, and judge.{name} is not set; set it ({what})")


def open_endpoint(settings: JudgeSettings) -> Judge:
    """A chat judge behind an endpoint."""
    from tasks.evaluation.judges.chat_judge import ChatJudge

    endpoint = make_endpoint(settings)
    return ChatJudge(endpoint, endpoint.name, endpoint.version)


def make_endpoint(settings: JudgeSettings) -> "Endpoint":
    """The client of the endpoint, with its key found. Raises UserError if a setting or the key is missing."""
    from tasks.evaluation.judges.cache import AnswerCache
    from tasks.evaluation.judges.endpoint import Endpoint

    require(settings, "base_url", "endpoint")
    require(settings, "model", "endpoint")
    return Endpoint(settings, AnswerCache())


def open_local(settings: JudgeSettings) -> Judge:
    """A chat judge in this process."""
    from tasks.evaluation.judges.cache import AnswerCache
    from tasks.evaluation.judges.chat_judge import ChatJudge
    from tasks.evaluation.judges.local import LocalChatModel

    model = LocalChatModel(settings, AnswerCache())
    return ChatJudge(model, model.name, model.version)


def open_recorded(records: Records | None) -> Judge:
    """Verdicts of a file. Raises UserError if none were given."""
    if not records:
        raise UserError("judge.kind is recorded, and no recorded verdicts were given; name the file that holds them")
    from tasks.evaluation.judges.recorded import RecordedJudge

    return RecordedJudge(records)
