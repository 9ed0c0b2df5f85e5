"""What PF-PPO's arms share beyond SFT: reward-model pairs of different responses, the proxy, and its reliability."""

from dataclasses import dataclass
from typing import Any, cast

from prefect.futures import PrefectFuture

from flows.matched import Rows, Shared, policy_prompts
from flows.reinforcement.matched import Reward, fit_members
from flows.reinforcement.pf_ppo_config import PFPPOConfig
from tasks.data.stages import draw_pair_prompts, label_preferences, take_portion
from tasks.engine.refs import Rewards
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.filter_stages import measure_filter
from tasks.models.stages import sample_responses
from tasks.policy.handover_stages import thresholds_at
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.filters import Threshold
from tasks.reward.stages import choose_pairs, label_by_reward, score_samples, take_as_truth

RELIABILITY = "filter_reliability"
"""The suite of R^2 before training: its prompts are some that the policy is optimised on later."""


@dataclass(frozen=True)
class Inputs:
    """References that all arms of one seed are given."""

    shared: Shared
    prompts: Rows
    pairs: Rows
    """What the reward model learns from, and DPO, IPO and KTO."""
    fitted: list[Reward]
    """The reward model, or nothing where the proxy is the true reward with noise."""
    sft_rewards: PrefectFuture[Rewards]
    """Proxy and true reward of the SFT model's responses."""

    @property
    def seed(self) -> int:
        """The seed of every stage."""
        return self.shared.seed


def prepare(config: PFPPOConfig, shared: Shared) -> Inputs:
    """SFT samples -> pairs -> reward model -> rewards of fresh SFT samples."""
    pairs = reward_pairs(config, shared) if config.learns_from_pairs else shared.pairs
    fitted = fit_members(config, shared, pairs=pairs) if config.proxy == "fitted" else []
    prompts = policy_prompts(config, shared)
    return Inputs(shared, prompts, pairs, fitted, score_sft(config, shared, prompts, fitted))


def reward_pairs(config: PFPPOConfig, shared: Shared) -> Rows:
    """Two of the SFT model's responses to every prompt, compared by the true reward; of real data its own pairs.

    By the family's reward labels are Bradley-Terry as in every paper here; by the sandbox they are certain, and prompts
    whose programs all pass or all fail are left out.
    """
    by_family = config.true_reward == "family"
    if config.data.path or (by_family and config.pair_choice == "first_two"):
        return shared.pairs
    decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
    with arm("reward", shared.seed):
        prompts = draw_pair_prompts.submit(config.world, shared.seed)
        samples = sample_responses.submit(shared.sft, prompts, decoding, config.pair_samples, config.model, shared.seed)
        two = choose_pairs.submit(samples, config.pair_choice)
        if by_family:
            return label_preferences.submit(two, config.world, shared.seed)
        return label_by_reward.submit(two, config.sandbox, [], config.model)


def score_sft(config: PFPPOConfig, shared: Shared, prompts: Rows, fitted: list[Reward]) -> PrefectFuture[Rewards]:
    """Proxy and true reward of several responses of the SFT model to the first prompts."""
    settings = config.reliability
    with arm("sft", shared.seed):
        some = take_portion.submit(prompts, 0, settings.prompts)
        samples = sample_responses.submit(
            shared.sft, some, config.training.decoding, settings.replies, config.model, shared.seed
        )
        rewards = score_samples.submit(samples, config.source, fitted, config.model)
        if config.true_reward == "family":
            return rewards
        truth = score_samples.submit(samples, config.sandbox, [], config.model)
        return take_as_truth.submit(rewards, truth)


def methods_of(config: PFPPOConfig, inputs: Inputs) -> dict[str, PolicyGradient]:
    """The PPO arms that were asked for: the common method with one filter each.

    Thresholds lie at quantiles of the SFT model's rewards, so those methods are still being made. PPO-S has as many
    responses as the others, of N times as many prompts.
    """
    settings = config.filters
    methods: dict[str, Any] = {"ppo_s": config.method.model_copy(update={"per_prompt": 1})}
    for name, chosen in settings.by_arm().items():
        method = config.method.model_copy(update={"filter": chosen})
        if isinstance(chosen, Threshold) and name in config.arms:
            with arm(name, inputs.seed):
                methods[name] = thresholds_at.submit(
                    method, inputs.sft_rewards, settings.upper_quantile, settings.lower_quantile
                )
        else:
            methods[name] = method
    return {name: cast("PolicyGradient", method) for name, method in methods.items() if name in config.arms}


def measure_reliability(config: PFPPOConfig, inputs: Inputs, methods: dict[str, PolicyGradient]) -> list[Pending]:
    """R^2 of every arm's filter on the SFT model's responses, where their true reward is known."""
    if config.data.path:
        return []
    settings, pending = config.reliability, []
    for name, method in methods.items():
        if name == "ppo_s":
            continue
        with arm(name, inputs.seed):
            scores = measure_filter.submit(inputs.sft_rewards, method, settings.bins, settings.draws, inputs.seed)
        pending.append(Pending(name, inputs.seed, RELIABILITY, scores))
    return pending
