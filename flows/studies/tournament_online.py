"""Methods of a tournament that learn from comparisons of the policy's own responses."""

from typing import Any

from flows.matched import Rows, policy_prompts
from flows.preference.online import OnlineArm, train_in_rounds, train_online
from flows.preference.rounds import fit_judge
from flows.reinforcement.matched import Reward
from flows.studies.tournament_config import ROUNDS, TournamentConfig
from flows.studies.tournament_entry import Entry, Policy, source_of
from tasks.data.stages import take_portion
from tasks.engine.session import arm
from tasks.models.stages import sample_responses
from tasks.policy.fresh.choices import BestWorst, RankedPairs, WholeGroup
from tasks.policy.fresh.labellers import Labeller, PairwiseLabels, RewardLabels
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.reward_temperature_stages import tune_reward_temperature
from tasks.reward.stages import score_samples

TEMPERATURE_PROMPTS = 128
"""Prompts at most on whose SFT samples brain's temperature is chosen."""


def train_fresh(entry: Entry) -> Policy:
    """Losses on the policy's own responses: at every step, or in rounds."""
    config, shared = entry.config, entry.shared
    prompts = policy_prompts(config, shared)
    objective, training = entry.loss
    labeller, fitted = judge_of(entry)
    fresh = pairing_of(config, entry.method)
    if entry.method in ROUNDS:
        a_round = training.model_copy(update={"max_steps": max(1, training.max_steps // config.rounds)})
        one = OnlineArm(objective, labeller, fitted, fresh, a_round)
        return train_in_rounds(config, shared, prompts, entry.label, one, config.rounds).series
    if entry.method == "brain":
        training = with_whole_groups(config, training)
        objective = at_chosen_temperature(entry, prompts, objective)
    return train_online(
        config, shared, prompts, entry.label, OnlineArm(objective, labeller, fitted, fresh, training)
    ).series


def judge_of(entry: Entry) -> tuple[Labeller, list[Reward]]:
    """Who compares responses: the common reward model; of osp a pairwise judge, fitted on the same pairs."""
    if entry.method == "osp":
        return PairwiseLabels(), [fit_judge(entry.config, entry.shared, entry.config.judge)]
    return RewardLabels(source=source_of(entry.config)), list(entry.fitted)


def pairing_of(config: TournamentConfig, method: str) -> FreshPairs:
    """How a method draws its responses and pairs them."""
    several = {"per_prompt": config.round_responses}
    changed: dict[str, dict[str, Any]] = {
        "online_vpo": {"calibration": True},
        "xpo": {"calibration": True, "behaviour": "mixed"},
        "osp": {**several, "choice": RankedPairs()},
        "brain": {**several, "choice": WholeGroup()},
        **{name: {**several, "choice": BestWorst()} for name in ROUNDS},
    }
    return config.fresh.model_copy(update=changed.get(method, {}))


def with_whole_groups(config: TournamentConfig, training: PreferenceTraining) -> PreferenceTraining:
    """The budget with as many responses a step as a batch of pairs has."""
    groups = 2 * training.batch_size // config.round_responses
    return training.model_copy(update={"batch_size": groups})


def at_chosen_temperature(entry: Entry, prompts: Rows, objective: Any) -> Any:
    """BRAIn at the reward temperature at which a share of the SFT model's samples counts."""
    config, shared = entry.config, entry.shared
    with arm(entry.label, shared.seed, mode="online"):
        samples = sample_responses.submit(
            shared.sft, take_portion.submit(prompts, 0, TEMPERATURE_PROMPTS), config.fresh.decoding,
            config.round_responses, config.model, shared.seed,
        )  # fmt: skip
        rewards = score_samples.submit(samples, source_of(config), list(entry.fitted), config.model)
        return tune_reward_temperature.submit(objective, rewards, config.effective_share)
