"""A method as it enters a tournament: what it is given, and the settings of its own that are tuned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture

from flows.preference.matched import Matched
from flows.reinforcement.matched import Reward
from flows.studies.tournament_config import GRADIENT, LIKELIHOOD, TournamentConfig
from flows.tuning import Settings, settings_of, with_settings
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining
from tasks.reward.sources import FittedReward, GoldReward, RewardSource

Policy = PrefectFuture[Any]
TWINS = {"online_dpo": "dpo", "online_ipo": "ipo", "online_simpo": "simpo", "iterative_dpo": "dpo"}
"""Online methods with the loss of an offline one."""


@dataclass(frozen=True)
class Entry:
    """A method at one seed."""

    config: TournamentConfig
    shared: Matched
    fitted: Sequence[Reward]
    """The reward model, fitted on the pairs that offline methods learn from; nothing where the true reward labels."""
    method: str
    label: str
    """The tracked arm: the method, or one of its trials."""
    settings: Settings
    """What a search found; configured values stand where it has none."""

    @property
    def loss(self) -> tuple[Objective, PreferenceTraining]:
        """Loss and budget of a preference method."""
        return with_settings(objective_of(self.config, self.method), self.config.training, self.settings)


def source_of(config: TournamentConfig) -> RewardSource:
    """What judges responses of the policy."""
    return GoldReward() if config.labels == "gold" else FittedReward()


def own_settings(config: TournamentConfig, method: str) -> dict[str, float]:
    """The settings of a method that are tuned, at their configured values."""
    if method in GRADIENT:
        return {"learning_rate": config.reinforcement.learning_rate, "kl": config.gradient.kl.coefficient}
    if method == "superhf":
        rate, weight = config.preferred_ft.learning_rate, config.objectives.superhf.kl_weight
        return {"learning_rate": rate, "kl_weight": weight}
    if method in LIKELIHOOD:
        return {"learning_rate": config.preferred_ft.learning_rate}
    return settings_of(objective_of(config, method), config.training)


def objective_of(config: TournamentConfig, method: str) -> Objective:
    """The loss of a method that compares responses."""
    objective: Objective = getattr(config.objectives, TWINS.get(method, method))
    return objective


def enough(config: TournamentConfig, training: PreferenceTraining) -> PreferenceTraining:
    """``training`` with passes for all its steps; real pairs, whose number is not known here, keep their own."""
    if config.data.path:
        return training
    passes = 1 + 2 * training.max_steps * training.batch_size // config.world.pairs
    return training.model_copy(update={"epochs": max(training.epochs, passes)})
