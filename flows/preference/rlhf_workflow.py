"""RLHF Workflow (arXiv 2405.07863): flow."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from flows.claims_asked import claims_on_arms
from flows.matched import Rows, Shared, policy_prompts, sampled_pairs, share_inputs
from flows.paper import Paper
from flows.preference.online import OnlineArm, fit_rewards, train_in_rounds
from flows.preference.rlhf_workflow_claims import ARMS, claims_on_proxy, claims_with_gold, sweep_name
from flows.preference.rlhf_workflow_config import RLHFWorkflowConfig
from flows.preference.rounds import (
    finetune_in_rounds,
    fit_judge,
    measure_arm,
    measure_start,
    prompts_for,
    train_offline,
    train_on_start,
)
from flows.reinforcement.matched import GOLD, Reward
from flows.report import Report, publish
from tasks.data.stages import draw_pair_prompts, take_portion
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.iterate_stages import choose_iterate
from tasks.policy.fresh.choices import BestOther, RandomTwo
from tasks.policy.fresh.labellers import PairwiseLabels, RewardLabels
from tasks.reward.sources import FittedReward

Trained = dict[str, PrefectFuture[Any]]


@flow(name="rlhf_workflow", flow_run_name="rlhf_workflow-{config.scale}")
def rlhf_workflow(config: RLHFWorkflowConfig = RLHFWorkflowConfig()) -> Report:
    """RLHF Workflow: From Reward Modeling to Online RLHF (arXiv 2405.07863).

    Every arm gets the same SFT model, reward model, number of pairs and steps. Iterative arms go on from where the last
    round ended, with the SFT model as the reference, on prompts of their own each round; offline arms learn
    from the run's own pairs or from the SFT model's responses. The paper does not equalise the number of pairs.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("rlhf_workflow", config, tags, f"rlhf_workflow-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("rlhf_workflow", pending), claims_of(config), [GOLD, *config.benchmarks.suites])


def compare_arms(config: RLHFWorkflowConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed; all are measured by the common reward model."""
    fitted = fit_rewards(config, shared)
    prompts = prompts_for(config, shared)
    iterative = arms_of(config, shared, fitted)
    trained: Trained = {
        name: train_in_rounds(config, shared, prompts, name, one, config.rounds).series
        for name, one in iterative.items()
    }
    trained |= train_offline_arms(config, shared, prompts, base_arm(config, fitted))
    if "raft" in config.arms:
        trained["raft"] = finetune_in_rounds(
            config, shared, prompts, "raft", fitted, config.raft, config.rounds, config.prompts_of_a_round
        )
    if "iterative_best" in config.arms:
        trained["iterative_best"] = choose_best(config, shared, prompts, fitted, trained)
    return [
        *measure_start(config, shared, fitted),
        *(score for name, policy in trained.items() for score in measure_arm(config, shared, name, policy, fitted)),
    ]


def base_arm(config: RLHFWorkflowConfig, fitted: list[Reward]) -> OnlineArm:
    """Iterative DPO as the paper has it."""
    return OnlineArm(config.policy, RewardLabels(source=FittedReward()), fitted, config.fresh, config.a_round)


def arms_of(config: RLHFWorkflowConfig, shared: Shared, fitted: list[Reward]) -> dict[str, OnlineArm]:
    """The iterative arms that were asked for, and the sweep over n with the paper's own; each changes one thing."""
    base, fresh = base_arm(config, fitted), config.fresh
    changed: dict[str, dict[str, Any]] = {
        "iterative_dpo": {},
        "iterative_moving_reference": {"fresh": fresh.model_copy(update={"reference": "moving"})},
        "iterative_max_random": {"fresh": fresh.model_copy(update={"choice": BestOther(other="random")})},
        "iterative_max_max": {"fresh": fresh.model_copy(update={"choice": BestOther(other="second")})},
        "iterative_random": {"fresh": fresh.model_copy(update={"choice": RandomTwo()})},
        "iterative_length_penalty": {"labeller": RewardLabels(length_penalty=config.length_penalty)},
    }
    wanted = {str(name): change for name, change in changed.items() if name in config.arms}
    if "iterative_dpo" in config.arms:
        wanted |= {
            sweep_name(count): {"fresh": fresh.model_copy(update={"per_prompt": count})} for count in sweep_of(config)
        }
    if "iterative_pairwise" in config.arms:
        wanted["iterative_pairwise"] = {
            "labeller": PairwiseLabels(),
            "fitted": [fit_judge(config, shared, config.judge)],
        }
    wanted |= {name: {"fitted": other} for name, other in other_rewards(config, shared).items()}
    return {name: OnlineArm(**(vars(base) | change)) for name, change in wanted.items()}


def sweep_of(config: RLHFWorkflowConfig) -> list[int]:
    """The further numbers of responses, without the paper arm's own."""
    return [count for count in dict.fromkeys(config.sweep_responses) if count != config.fresh.per_prompt]


def other_rewards(config: RLHFWorkflowConfig, shared: Shared) -> dict[str, list[Reward]]:
    """Reward models of the arms that have their own: fitted on few pairs, or on a length-biased judge's labels."""
    found: dict[str, list[Reward]] = {}
    if "iterative_weak_reward" in config.arms:
        with arm("pairs", shared.seed):
            few = take_portion.submit(shared.pairs, 0, config.weak_pairs)
        found["iterative_weak_reward"] = fit_rewards(config, shared, pairs=few)
    if "iterative_biased_reward" in config.arms:
        world = config.world.model_copy(update={"label_by": "judge"})
        with arm("pairs", shared.seed):
            drawn = draw_pair_prompts.submit(config.world, shared.seed)
            biased = sampled_pairs(config.model_copy(update={"world": world}), shared.sft, drawn, shared.seed)
        found["iterative_biased_reward"] = fit_rewards(config, shared, pairs=biased)
    return found


def train_offline_arms(config: RLHFWorkflowConfig, shared: Shared, prompts: Rows, base: OnlineArm) -> Trained:
    """DPO on the run's own pairs, and on the SFT model's responses labelled as the iterative arm's are."""
    trained: Trained = {}
    if "offline_dpo" in config.arms:
        trained["offline_dpo"] = train_offline(
            config, shared, "offline_dpo", config.policy, config.prompts_of_a_run, config.rounds
        )
    if "offline_dpo_rm" in config.arms:
        trained["offline_dpo_rm"] = train_on_start(config, shared, prompts, "offline_dpo_rm", base)
    return trained


def choose_best(
    config: RLHFWorkflowConfig, shared: Shared, prompts: Rows, fitted: list[Reward], trained: Trained
) -> PrefectFuture[Any]:
    """The best iterate by the reward model on prompts of their own; the rounds run for it where they are no arm."""
    base = base_arm(config, fitted)
    series = trained.get("iterative_dpo") or (
        train_in_rounds(config, shared, prompts, "iterative_best", base, config.rounds).series
    )
    every = policy_prompts(config, shared)
    with arm("iterative_best", shared.seed):
        others = take_portion.submit(every, config.prompts_of_a_run, config.validation_prompts)
        return choose_iterate.submit(
            series, others, config.evaluation.decoding, FittedReward(), list(fitted), config.model, shared.seed
        )


def claims_of(config: RLHFWorkflowConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on its arms; on the true reward in the tiny world alone."""
    counts = sorted({*sweep_of(config), config.fresh.per_prompt})
    sweep = ["iterative_dpo" if count == config.fresh.per_prompt else sweep_name(count) for count in counts]
    claims = claims_on_proxy(config.rounds) if config.data.path else claims_with_gold(config.rounds, sweep)
    swept = sweep if "iterative_dpo" in config.arms else []
    return claims_on_arms(claims, {"sft", *config.arms, *swept})


PAPER = Paper(
    key="rlhf_workflow",
    title="RLHF Workflow: From Reward Modeling to Online RLHF",
    arxiv="2405.07863",
    family="preference",
    summary=(
        "A reward model fitted on open preference data stands in for people. Each round samples n responses from the "
        "policy as it is, pairs the best with the worst and trains by DPO towards the SFT model as the reference: "
        "on-policy pairs and best-of-n exploration beat DPO on a fixed set."
    ),
    flow="flows.preference.rlhf_workflow:rlhf_workflow",
    config=RLHFWorkflowConfig,
    arms=ARMS,
    claims=claims_of(RLHFWorkflowConfig()),
    minutes={"smoke": 0.8, "laptop": 15.0, "gpu": 3000.0},
)
