"""Which judge a suite gets, before anything is computed."""

from tasks.engine.schema import UserError
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.suites.suite import Suite


def judge_for(settings: JudgeSettings, suite: Suite, annotated: bool) -> JudgeSettings:
    """The judge of one suite; one that needs none gets none, so that its numbers do not depend on the choice.

    ``auto`` is the verdicts of the file of outputs where it is ``annotated``, and else the suite's usual judge.

    Raises UserError if the suite needs a judge and none was named.
    """
    if suite.needs_judge == "no":
        return JudgeSettings(kind="none")
    if settings.kind != "auto":
        return settings
    if annotated:
        return JudgeSettings(kind="recorded")
    if settings.base_url or settings.model:
        return settings
    if suite.usual_judge == "none":
        raise UserError(f"{suite.name} needs a judge; give --judge with an endpoint's URL, local, reward_model or gold")
    return JudgeSettings(kind=suite.usual_judge)
