"""The search that every arm of the SimPO comparison may be given: as many trials each, on validation prompts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from prefect.futures import PrefectFuture

from flows.preference.matched import Matched, PreferenceConfig, share_inputs
from flows.tuning import (
    Candidate,
    Settings,
    Tuned,
    Tuning,
    search,
    seed_of_trials,
    settings_of,
    space_of,
    with_settings,
)
from tasks.data.stages import draw_validation
from tasks.engine.refs import CheckpointSeries, Scores
from tasks.engine.session import arm
from tasks.evaluation.stages import measure_series
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining

Loss = tuple[Objective, PreferenceTraining]
Train = Callable[[PreferenceConfig, Matched, str, Loss], PrefectFuture[CheckpointSeries]]


def tune_losses(config: PreferenceConfig, tuning: Tuning, losses: Mapping[str, Loss], train: Train) -> Tuned | None:
    """Search learning rate and strength of every loss for the true reward; None where nothing is to be searched.

    Trials have a seed, and so an SFT model and pairs, of their own.
    """
    if not tuning.trials or not losses:
        return None
    (shared,) = share_inputs(config.model_copy(update={"seeds": [seed_of_trials(config.seeds)]}))
    validation = replace(shared, evaluation=draw_validation.submit(config.world))

    def run_trial(name: str, settings: Settings, number: int) -> PrefectFuture[Scores]:
        label = f"{name}-trial-{number}"
        trained = train(config, validation, label, with_settings(*losses[name], settings))
        with arm(label, shared.seed):
            return measure_series.submit(
                trained, shared.sft, validation.evaluation, config.evaluation.decoding, config.model, shared.seed
            )

    candidates: dict[str, Candidate] = {}
    for name, loss in losses.items():
        own = settings_of(*loss)
        candidates[name] = Candidate(own, space_of(own, tuning), partial(run_trial, name))
    return search(candidates, "gold_reward", tuning)
