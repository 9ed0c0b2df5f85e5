"""What the arms of PAR (arXiv 2502.18770) are rewarded by: reward models, and reference responses scored by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from prefect.futures import PrefectFuture

from flows.matched import Rows, Shared, sampled_pairs
from flows.reinforcement.matched import MEMBERS_APART, Reward, fit_members
from flows.reinforcement.par_arms import REWARD_SIDE
from tasks.data.stages import draw_held_out_prompts
from tasks.engine.refs import Rewards
from tasks.engine.session import arm
from tasks.models.stages import sample_responses
from tasks.reward.objectives.choosing import RewardObjective
from tasks.reward.stages import average_rewards, fit_reward, score_samples

if TYPE_CHECKING:
    from flows.reinforcement.par import ParConfig

COMMON = "common"
"""The reward model of every arm that has none of its own."""


def with_clean_held_out(config: ParConfig, shared: Shared) -> Shared:
    """The same with held-out pairs of the tiny world labelled without noise: what reward models are checked on.

    So the common reward model is the one that the ensembles paper (arXiv 2310.02743) fits to equally noisy pairs.
    """
    if config.data.path or not config.world.label_noise:
        return shared
    world = config.world.model_copy(update={"label_noise": 0.0})
    with arm("pairs", shared.seed):
        prompts = draw_held_out_prompts.submit(world)
        held_out = sampled_pairs(config.model_copy(update={"world": world}), shared.sft, prompts, shared.seed)
    return replace(shared, held_out=held_out)


def fit_rewards(config: ParConfig, shared: Shared) -> dict[str, Reward]:
    """The common reward model and those of the reward-side arms that were asked for, all on the same pairs."""
    wanted = {REWARD_SIDE[name] for name in config.arms if name in REWARD_SIDE}
    fitted = {COMMON: fit_members(config, shared)[0]}
    if "reg" in wanted:
        fitted["reg"] = fit_by(config, shared, "reg", config.reg)
    if "odin" in wanted:
        fitted["odin"] = fit_by(config, shared, "odin", config.odin)
    if "warm" in wanted:
        fitted["warm"] = fit_warm(config, shared)
    return fitted


def fit_by(config: ParConfig, shared: Shared, name: str, objective: RewardObjective) -> Reward:
    """A reward model by another objective, otherwise fitted as the common one and with its seed."""
    reward = config.reward.model_copy(update={"objective": objective})
    return fit_members(config.model_copy(update={"reward": reward}), shared, name=f"reward_{name}")[0]


def fit_warm(config: ParConfig, shared: Shared) -> Reward:
    """WARM (arXiv 2401.12187): one initial head, several learning rates and orders of the data, weights averaged."""
    training = config.reward.training
    with arm("reward_warm", shared.seed):
        members = [
            fit_reward.submit(
                shared.sft,
                shared.pairs,
                shared.held_out,
                config.reward.objective,
                training.model_copy(update={"shared_head": True, "learning_rate": factor * training.learning_rate}),
                config.model,
                shared.seed * MEMBERS_APART + member,
            )
            for member, factor in enumerate(config.warm_rates)
        ]
        return average_rewards.submit(members, shared.held_out, config.model)


def score_own_references(
    config: ParConfig, shared: Shared, prompts: Rows, fitted: Sequence[Reward], count: int
) -> PrefectFuture[Rewards]:
    """``count`` responses of the SFT model to every prompt, scored once as the policies' will be."""
    with arm("sft", shared.seed):
        samples = sample_responses.submit(
            shared.sft, prompts, config.training.decoding, count, config.model, shared.seed
        )
        return score_samples.submit(samples, config.rewarded, list(fitted), config.model)
