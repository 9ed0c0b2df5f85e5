"""Fair tuning: every arm searches its settings with the same number of trials, on validation prompts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pandas as pd
from prefect.futures import PrefectFuture
from pydantic import Field, model_validator

from tasks.data.source import DataSource
from tasks.data.tables import read_scores
from tasks.engine.refs import Scores
from tasks.engine.schema import Frozen, UserError
from tasks.evaluation.collecting import reason
from tasks.evaluation.scores import FINAL
from tasks.evaluation.settings import Evaluation
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining

if TYPE_CHECKING:
    from optuna import Study

STRENGTHS = ("beta", "tau", "eta")
"""Fields of objectives that hold the strength of the anchor, or the scale of the reward."""


class Tuning(Frozen):
    """How arms are tuned before they are compared; without trials they run as they are configured."""

    trials: int = Field(0, ge=0, le=10_000, description="Settings that each arm tries; 0: none is tuned")
    lowest_rate: float = Field(2e-5, ge=1e-8, le=1.0, description="Smallest learning rate tried")
    highest_rate: float = Field(5e-4, ge=1e-8, le=1.0, description="Largest learning rate tried")
    strength_factor: float = Field(
        5.0,
        ge=1.0,
        le=1000.0,
        description="Strengths (beta, tau, KL) are tried from 1 / factor to factor times theirs",
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="Of the search; settings are tried on a seed that the comparison leaves out"
    )

    @model_validator(mode="after")
    def _rates_are_ordered(self) -> Self:
        if self.lowest_rate >= self.highest_rate:
            raise ValueError(f"lowest_rate {self.lowest_rate:g} must be below highest_rate {self.highest_rate:g}")
        return self


Settings = Mapping[str, float]


class Range(NamedTuple):
    """A log-uniform range, both ends above 0."""

    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """An arm to tune."""

    own: Settings
    """The values it is configured with: the first trial."""
    space: Mapping[str, Range]
    run: Callable[[Settings, int], PrefectFuture[Scores]]
    """Trains with given settings as trial so-and-so, and measures the result on validation prompts."""


@dataclass(frozen=True)
class Tuned:
    """What a search found."""

    best: Mapping[str, Settings]
    """Arm → the settings of its best trial."""
    trials: pd.DataFrame
    """Every trial: arm, trial, value, one column a setting; a trial that failed has value NaN and an error."""


def require_validation_prompts(tuning: Tuning, data: DataSource, evaluation: Evaluation) -> None:
    """Raises ValueError if arms are to be tuned on real pairs, or on the prompts that they are compared on."""
    if tuning.trials and data.path:
        raise ValueError("tuning.trials: settings are tuned on validation prompts, which real pairs have none of")
    if tuning.trials and evaluation.prompts == "validation":
        raise ValueError(
            "tuning.trials: settings are tuned on the validation prompts, so that evaluation.prompts must be test"
        )


def seed_of_trials(seeds: Sequence[int]) -> int:
    """A seed that is none of ``seeds``: arms are not compared on the runs that their settings were chosen for."""
    return max(seeds) + 1


def settings_of(objective: Objective, training: PreferenceTraining) -> dict[str, float]:
    """What is tuned of a preference arm, at its configured values: its learning rate, and its strength if any."""
    strengths = {name: getattr(objective, name) for name in STRENGTHS if hasattr(objective, name)}
    return {"learning_rate": training.learning_rate, **strengths}


def with_settings(
    objective: Objective, training: PreferenceTraining, settings: Settings
) -> tuple[Objective, PreferenceTraining]:
    """Loss and budget of a preference arm with ``settings`` in place of its own."""
    changeable: Any = objective
    strengths = {name: value for name, value in settings.items() if name != "learning_rate"}
    rate = settings.get("learning_rate", training.learning_rate)
    return changeable.model_copy(update=strengths), training.model_copy(update={"learning_rate": rate})


def space_of(own: Settings, tuning: Tuning) -> dict[str, Range]:
    """What is searched: learning rates as configured and up or down to the arm's own, strengths around their own."""
    factor = tuning.strength_factor
    return {
        name: Range(min(value, tuning.lowest_rate), max(value, tuning.highest_rate))
        if name == "learning_rate"
        else Range(value / factor, value * factor)
        for name, value in own.items()
    }


def search(candidates: Mapping[str, Candidate], metric: str, tuning: Tuning) -> Tuned:
    """``tuning.trials`` trials of every candidate, all candidates side by side; the best by the mean of ``metric``.

    The first trial is the candidate's own settings, the rest is chosen by the tree-structured Parzen estimator. Raises
    UserError if every trial of a candidate fails.
    """
    from optuna.distributions import FloatDistribution
    from optuna.trial import TrialState

    studies = {name: open_study(candidate, tuning) for name, candidate in candidates.items()}
    rows: list[dict[str, Any]] = []
    for number in range(tuning.trials):
        asked = {
            name: study.ask(
                {key: FloatDistribution(low, high, log=True) for key, (low, high) in candidates[name].space.items()}
            )
            for name, study in studies.items()
        }
        running = {name: candidates[name].run(trial.params, number) for name, trial in asked.items()}
        for name, scores in running.items():
            value, error = value_of(scores, metric)
            if error:
                studies[name].tell(asked[name], state=TrialState.FAIL)
            else:
                studies[name].tell(asked[name], value)
            rows.append({"arm": name, "trial": number, "value": value, **asked[name].params, "error": error})
    table = pd.DataFrame(rows)
    for failed, own in table.groupby("arm"):
        if own["value"].isna().all():
            raise UserError(f"tuning {failed}: all {tuning.trials} trials failed; first: {own['error'].iloc[0]}")
    return Tuned({name: dict(study.best_params) for name, study in studies.items()}, table)


def open_study(candidate: Candidate, tuning: Tuning) -> "Study":
    """A seeded search that begins with the candidate's own settings."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=tuning.seed))
    study.enqueue_trial(dict(candidate.own))
    return study


def value_of(scores: PrefectFuture[Scores], metric: str) -> tuple[float, str]:
    """Mean of a metric over prompts at the last checkpoint; NaN and why, where the trial failed or lacks it."""
    scores.wait()
    if not scores.state.is_completed():
        return float("nan"), reason(scores)
    table = read_scores(scores.result())
    values = table.loc[(table["metric"] == metric) & (table["point"] == FINAL), "value"]
    return (float(values.mean()), "") if len(values) else (float("nan"), f"no {metric} was measured")


def tuning_said(tuned: Tuned | None) -> str:
    """What verdicts and runs say of it: ``no``, or how much of which arms."""
    if tuned is None:
        return "no"
    return f"{tuned.trials['trial'].nunique()} trials each: {', '.join(sorted(tuned.best))}"


def tuning_tables(tuned: Tuned | None) -> dict[str, pd.DataFrame]:
    """Artifacts of the run in MLflow: every trial; beside the trials' own runs."""
    return {} if tuned is None else {"tuning.json": tuned.trials}
