"""The methods that can enter a tournament, and how each is trained within the common budget."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.futures import PrefectFuture

from flows.matched import MatchedConfig, Rows, policy_prompts
from flows.preference.matched import Matched
from flows.preference.online import OnlineArm, train_in_rounds, train_online
from flows.reinforcement.matched import PolicyArm, ReinforcementConfig, Reward, train_policy
from flows.studies.tournament_config import GRADIENT, OFFLINE, ONLINE, TournamentConfig
from flows.tuning import Settings, settings_of, with_settings
from tasks.data.stages import samples_as_demonstrations, take_portion
from tasks.engine.session import arm
from tasks.evaluation.stages import choose_best_by_reward
from tasks.models.stages import sample_responses
from tasks.policy.fresh.choices import BestWorst
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.stages import finetune_preferred, finetune_supervised, optimise_preferences
from tasks.policy.steps.advantages import GroupNormalised, LeaveOneOut
from tasks.reward.sources import FittedReward, GoldReward, RewardSource

METHODS: Mapping[str, str] = {
    "sft": "Supervised fine-tuning; where every method starts, and the reference policy",
    "preferred_ft": "Likelihood of the preferred responses",
    "dpo": "DPO on the fixed pairs",
    "cdpo": "Conservative DPO on the fixed pairs",
    "ipo": "IPO on the fixed pairs",
    "slic": "SLiC hinge on the fixed pairs",
    "kto": "KTO on the fixed pairs",
    "simpo": "SimPO on the fixed pairs",
    "ln_dpo": "Length-normalised DPO on the fixed pairs",
    "r_dpo": "Length-regularised DPO on the fixed pairs",
    "cpo": "CPO on the fixed pairs",
    "orpo": "ORPO on the fixed pairs",
    "rrhf": "RRHF on the fixed pairs",
    "bo2": "Likelihood of the preferred responses, the loss of an online twin",
    "online_dpo": "DPO on two fresh responses at every step, labelled by the reward model",
    "online_ipo": "IPO on two fresh responses at every step, labelled by the reward model",
    "online_simpo": "SimPO on two fresh responses at every step, labelled by the reward model",
    "iterative_dpo": "DPO in rounds: best and worst of several responses by the reward model",
    "ppo": "PPO on the reward model",
    "rloo": "RLOO on the reward model",
    "grpo": "GRPO on the reward model",
    "raft": "Supervised fine-tuning on the best of several responses by the reward model",
    "best_of_n": "The best of several SFT responses by the reward model, chosen at evaluation",
}
Policy = PrefectFuture[Any]


def source_of(config: TournamentConfig) -> RewardSource:
    """What judges responses of the policy."""
    return GoldReward() if config.labels == "gold" else FittedReward()


def own_settings(config: TournamentConfig, method: str) -> dict[str, float]:
    """The settings of a method that are tuned, at their configured values."""
    if method in GRADIENT:
        return {"learning_rate": config.reinforcement.learning_rate, "kl": config.gradient.kl.coefficient}
    if method in ("preferred_ft", "raft"):
        return {"learning_rate": config.preferred_ft.learning_rate}
    return settings_of(objective_of(config, method), config.training)


def objective_of(config: TournamentConfig, method: str) -> Objective:
    """The loss of a preference method."""
    objective: Objective = getattr(config.objectives, method.removeprefix("online_").removeprefix("iterative_"))
    return objective


def train_method(
    config: TournamentConfig, shared: Matched, fitted: Sequence[Reward], method: str, label: str, settings: Settings
) -> Policy:
    """Train ``method`` from the SFT model under the tracked arm ``label``; ``settings`` replace configured ones."""
    if method in OFFLINE:
        return train_offline(config, shared, method, label, settings)
    if method in ONLINE:
        return train_fresh(config, shared, fitted, method, label, settings)
    if method in GRADIENT:
        return train_gradient(config, shared, fitted, method, label, settings)
    return train_supervised(config, shared, fitted, method, label, settings)


def tuned_loss(config: TournamentConfig, method: str, settings: Settings) -> tuple[Objective, PreferenceTraining]:
    """Loss and budget of a preference method with ``settings`` in place."""
    return with_settings(objective_of(config, method), config.training, settings)


def train_offline(config: TournamentConfig, shared: Matched, method: str, label: str, settings: Settings) -> Policy:
    """A loss on the fixed pairs, gone through as often as the common steps want."""
    objective, training = tuned_loss(config, method, settings)
    with arm(label, shared.seed):
        return optimise_preferences.submit(
            shared.sft, shared.pairs, shared.reference, objective, enough(config, training), config.model, shared.seed
        )


def enough(config: TournamentConfig, training: PreferenceTraining) -> PreferenceTraining:
    """``training`` with passes for all its steps; real pairs, whose number is not known here, keep their own."""
    if config.data.path:
        return training
    passes = 1 + 2 * training.max_steps * training.batch_size // config.world.pairs
    return training.model_copy(update={"epochs": max(training.epochs, passes)})


def train_fresh(
    config: TournamentConfig, shared: Matched, fitted: Sequence[Reward], method: str, label: str, settings: Settings
) -> Policy:
    """The same losses on pairs of the policy's own responses."""
    objective, training = tuned_loss(config, method, settings)
    labeller = RewardLabels(source=source_of(config))
    prompts = policy_prompts(config, shared)
    if method == "iterative_dpo":
        fresh = config.fresh.model_copy(update={"per_prompt": config.round_responses, "choice": BestWorst()})
        a_round = training.model_copy(update={"max_steps": max(1, training.max_steps // config.rounds)})
        one = OnlineArm(objective, labeller, list(fitted), fresh, a_round)
        return train_in_rounds(config, shared, prompts, label, one, config.rounds).series
    one = OnlineArm(objective, labeller, list(fitted), config.fresh, training)
    return train_online(config, shared, prompts, label, one).series


def train_gradient(
    config: TournamentConfig, shared: Matched, fitted: Sequence[Reward], method: str, label: str, settings: Settings
) -> Policy:
    """A policy gradient with as many updates, each on as many responses as a batch of pairs holds."""
    budget = {
        "iterations": config.training.max_steps,
        "rollouts": 2 * config.training.batch_size,
        "snapshots": config.training.snapshots,
        "learning_rate": settings.get("learning_rate", config.reinforcement.learning_rate),
    }
    same = {name: getattr(config, name) for name in MatchedConfig.model_fields}
    gradient = ReinforcementConfig(
        **same,
        reward=config.reward,
        method=gradient_of(config, method, settings),
        training=config.reinforcement.model_copy(update=budget),
    )
    one = PolicyArm(gradient.method, fitted, source_of(config))
    return train_policy(gradient, shared, policy_prompts(config, shared), label, one)


def gradient_of(config: TournamentConfig, method: str, settings: Settings) -> PolicyGradient:
    """PPO as configured; RLOO and GRPO differ in their advantages and have no value model."""
    advantage = {"ppo": config.gradient.advantage, "rloo": LeaveOneOut(), "grpo": GroupNormalised()}[method]
    value = config.gradient.value if method == "ppo" else config.gradient.value.model_copy(update={"trunk": "none"})
    kl = config.gradient.kl
    if "kl" in settings:
        kl = kl.model_copy(update={"coefficient": settings["kl"]})
    return config.gradient.model_copy(update={"advantage": advantage, "value": value, "kl": kl})


def train_supervised(
    config: TournamentConfig, shared: Matched, fitted: Sequence[Reward], method: str, label: str, settings: Settings
) -> Policy:
    """Likelihood of preferred responses, or of the best of several own ones."""
    budget = {**settings, "max_steps": config.training.max_steps, "batch_size": config.training.batch_size}
    training: SupervisedTraining = config.preferred_ft.model_copy(
        update=budget | {"snapshots": config.training.snapshots, "epochs": enough(config, config.training).epochs}
    )
    with arm(label, shared.seed):
        if method == "preferred_ft":
            return finetune_preferred.submit(shared.sft, shared.pairs, training, config.model, shared.seed)
        prompts: Rows = policy_prompts(config, shared)
        count = config.training.max_steps * config.training.batch_size
        samples = sample_responses.submit(
            shared.sft,
            take_portion.submit(prompts, 0, count),
            config.fresh.decoding,
            config.round_responses,
            config.model,
            shared.seed,
        )
        best = choose_best_by_reward.submit(samples, source_of(config), list(fitted), config.model)
        return finetune_supervised.submit(
            shared.sft, samples_as_demonstrations.submit(best), training, config.model, shared.seed
        )
