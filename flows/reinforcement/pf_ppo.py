"""PF-PPO (arXiv 2409.06957): flow.

The paper's arm BOND is left out: what is known of it here (beta 1, 4 iterations) does not determine it. That DPO, IPO
and KTO learn from the reward model's pairs, and RAFT takes one round, is ours.
"""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from flows.matched import Shared, seed_of_round, share_inputs
from flows.paper import Paper
from flows.reinforcement.matched import GOLD, PolicyArm, Series, measure_policy, train_policies
from flows.reinforcement.pf_ppo_claims import ARMS, PASSING, claims_of
from flows.reinforcement.pf_ppo_config import PFPPOConfig
from flows.reinforcement.pf_ppo_inputs import RELIABILITY, Inputs, measure_reliability, methods_of, prepare
from flows.report import Report, publish
from tasks.data.stages import samples_as_demonstrations, take_portion
from tasks.engine.refs import Checkpoint
from tasks.engine.session import arm, paper_run
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.stages import (
    choose_best_by_reward,
    measure_demonstrations,
    measure_passing,
    measure_temperatures,
)
from tasks.models.stages import sample_responses, score_pairs
from tasks.policy.handover_stages import final_checkpoint
from tasks.policy.objectives.objective import Objective
from tasks.policy.stages import finetune_supervised, optimise_preferences
from tasks.reward.stages import label_by_reward

Trained = Series | PrefectFuture[Checkpoint]


@flow(name="pf_ppo", flow_run_name="pf_ppo-{config.scale}")
def pf_ppo(config: PFPPOConfig = PFPPOConfig()) -> Report:
    """Policy Filtration for RLHF to Mitigate Noise in Reward Models (arXiv 2409.06957).

    Every PPO arm samples as many responses from the same prompts and takes as many steps; only which of the responses
    it learns from differs. All arms are measured without their filter.
    """
    if config.true_reward == "sandbox":
        require_isolation(Limits(isolation=config.sandbox.isolation))
    scenario = config.data.path or config.world.family
    tags = {"family": "reinforcement", "scale": config.scale, "scenario": scenario}
    with paper_run("pf_ppo", config, tags, f"pf_ppo-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("pf_ppo", pending), claims_of(config), suites_of(config))


def suites_of(config: PFPPOConfig) -> list[str]:
    """The suites that this configuration scores."""
    known = [] if config.data.path else [RELIABILITY]
    passing = [PASSING] if config.true_reward == "sandbox" else []
    return [GOLD, *known, *passing, *config.benchmarks.suites]


def compare_arms(config: PFPPOConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed; R^2 of the filters comes first, as in the paper."""
    inputs = prepare(config, shared)
    methods = methods_of(config, inputs)
    reliability = measure_reliability(config, inputs, methods)
    arms = {name: PolicyArm(method, inputs.fitted, config.source) for name, method in methods.items()}
    trained: dict[str, Trained] = {
        "sft": shared.sft,
        **train_without_rollouts(config, inputs),
        **train_policies(config, shared, inputs.prompts, arms),
    }
    with arm("demonstrations", shared.seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        *reliability,
        Pending("demonstrations", shared.seed, GOLD, demonstrated),
        *(scores for name, policy in trained.items() for scores in measure_arm(config, inputs, name, policy)),
    ]


def train_without_rollouts(config: PFPPOConfig, inputs: Inputs) -> dict[str, Trained]:
    """The arms that are asked for and are not PPO."""
    objectives: dict[str, Objective] = {"dpo": config.dpo, "ipo": config.ipo, "kto": config.kto}
    trained: dict[str, Trained] = {
        name: fit_pairs(config, inputs, name, objective)
        for name, objective in objectives.items()
        if name in config.arms
    }
    if "raft" in config.arms:
        trained["raft"] = fit_best_of_n(config, inputs)
    if "iterative_dpo" in config.arms:
        trained["iterative_dpo"] = fit_in_rounds(config, inputs)
    return trained


def fit_pairs(config: PFPPOConfig, inputs: Inputs, name: str, objective: Objective) -> Series:
    """DPO, IPO or KTO on the reward model's pairs."""
    shared = inputs.shared
    with arm(name, inputs.seed):
        reference = score_pairs.submit(shared.sft, inputs.pairs, config.model)
        return optimise_preferences.submit(
            shared.sft, inputs.pairs, reference, objective, config.preference, config.model, inputs.seed
        )


def fit_best_of_n(config: PFPPOConfig, inputs: Inputs) -> PrefectFuture[Checkpoint]:
    """RAFT, one round: of N responses to each prompt the one of highest proxy reward, then supervised fine-tuning."""
    shared, decoding = inputs.shared, config.training.decoding
    with arm("raft", inputs.seed):
        prompts = take_portion.submit(inputs.prompts, 0, config.prompts_a_run)
        samples = sample_responses.submit(
            shared.sft, prompts, decoding, config.method.per_prompt, config.model, inputs.seed
        )
        best = choose_best_by_reward.submit(samples, config.source, inputs.fitted, config.model)
        demonstrations = samples_as_demonstrations.submit(best)
        return finetune_supervised.submit(shared.sft, demonstrations, config.raft, config.model, inputs.seed)


def fit_in_rounds(config: PFPPOConfig, inputs: Inputs) -> Series:
    """Iterative DPO: N responses of the current policy, best against worst by the proxy, DPO from where it stands.

    The reference stays the SFT model, as for every other arm; every round has prompts of its own.
    """
    shared, decoding = inputs.shared, config.training.decoding
    count = max(1, config.prompts_a_run // config.rounds)
    training = config.preference.model_copy(update={"snapshots": 1})
    current: Any = shared.sft
    with arm("iterative_dpo", inputs.seed, mode="online"):
        for number in range(config.rounds):
            seed = seed_of_round(inputs.seed, number)
            prompts = take_portion.submit(inputs.prompts, number * count, count)
            samples = sample_responses.submit(current, prompts, decoding, config.method.per_prompt, config.model, seed)
            pairs = label_by_reward.submit(samples, config.source, inputs.fitted, config.model)
            reference = score_pairs.submit(shared.sft, pairs, config.model)
            series = optimise_preferences.submit(current, pairs, reference, config.dpo, training, config.model, seed)
            current = final_checkpoint.submit(series)
    return series


def measure_arm(config: PFPPOConfig, inputs: Inputs, name: str, policy: Any) -> list[Pending]:
    """An arm's unfiltered policy: sampled along its training, at further temperatures, and by running its programs."""
    shared, seed, settings = inputs.shared, inputs.seed, config.evaluation
    pending = measure_policy(config, shared, name, policy, config.source, inputs.fitted)
    with arm(name, seed):
        if settings.temperatures:
            curve = measure_temperatures.submit(
                policy, shared.sft, shared.evaluation, settings.decoding, settings.temperatures, config.model, seed
            )
            pending.append(Pending(name, seed, GOLD, curve))
        if config.true_reward == "sandbox":
            passing = measure_passing.submit(
                policy, shared.evaluation, settings.decoding, config.sandbox, config.model, seed
            )
            pending.append(Pending(name, seed, PASSING, passing))
    return pending


PAPER = Paper(
    key="pf_ppo",
    title="Policy Filtration for RLHF to Mitigate Noise in Reward Models",
    arxiv="2409.06957",
    family="reinforcement",
    summary=(
        "A learned reward model is reliable at the ends of its range and noisy between them. Of N responses to a "
        "prompt PF-PPO learns only from the best and another (or the worst); which filter to use is foretold by R^2 "
        "between rewards and true scores of filtered SFT responses."
    ),
    flow="flows.reinforcement.pf_ppo:pf_ppo",
    config=PFPPOConfig,
    arms=ARMS,
    claims=claims_of(PFPPOConfig()),
    minutes={"smoke": 1.0, "laptop": 16.0, "gpu": 2400.0},
)
