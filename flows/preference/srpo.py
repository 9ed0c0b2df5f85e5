"""SRPO (arXiv 2406.01660): flow. The paper's text was not at hand; what is ours is said where it is chosen."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from prefect import flow
from prefect.futures import PrefectFuture

from flows.matched import Rows, Shared, share_inputs
from flows.paper import Paper
from flows.preference.judged import Judge, measure_arm, measure_start
from flows.preference.srpo_claims import ARMS, LONGER, claims_on
from flows.preference.srpo_config import SRPOConfig
from flows.reinforcement.matched import GOLD, MEMBERS_APART, Series
from flows.report import Report, publish
from tasks.data.stages import draw_pair_prompts, label_preferences, take_portion
from tasks.data.tiny_world.tldr import NAME
from tasks.engine.schema import UserError
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.stages import choose_best_by_reward, measure_demonstrations, measure_samples
from tasks.models.stages import sample_responses, score_pairs
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.handover_stages import final_checkpoint
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.srpo import SRPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.revising_stages import (
    demonstrate_choices,
    demonstrate_edits,
    draw_longer_posts,
    measure_revisions,
    optimise_revisions,
    score_revisions,
)
from tasks.policy.stages import finetune_supervised, optimise_preferences
from tasks.reward.sources import FittedReward
from tasks.reward.stages import fit_reward

CONTEXTS = 3
"""Contexts in which SRPO scores a pair; DPO and IPO score it in one."""
POOR = "_poor"
"""Ending of the arms on pairs of another sampler."""


@dataclass(frozen=True)
class Arm:
    """An arm on pairs: its loss, its budget, and whose pairs it learns from."""

    objective: Objective
    training: PreferenceTraining
    poor: bool = False


@flow(name="srpo", flow_run_name="srpo-{config.scale}")
def srpo(config: SRPOConfig = SRPOConfig()) -> Report:
    """Self-Improving Robust Preference Optimization (arXiv 2406.01660).

    Every arm gets the same SFT model, which has seen answers and revisions, and the same pairs, batches and steps;
    SRPO scores a pair in three contexts, so ipo_equal_tokens takes three times the steps. All arms revise their own
    answers at test time. Raises UserError before any training if an arm or a measurement needs the tiny world.
    """
    require_sources(config)
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("srpo", config, tags, f"srpo-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        suites = [GOLD, *([LONGER] if config.out_of_distribution else []), *config.benchmarks.suites]
        return publish(session, collect("srpo", pending), claims_of(config), suites)


def require_sources(config: SRPOConfig) -> None:
    """Raise UserError for what the run's data cannot give."""
    poor = [name for name in config.arms if name.endswith(POOR)]
    if config.data.path and poor:
        raise UserError(f"arms {', '.join(poor)}: real pairs have one sampler only; leave them out with data.path")
    if config.out_of_distribution and (config.data.path or config.world.family != NAME):
        raise UserError(f"out_of_distribution: longer prompts are made for the tiny world's {NAME}; set it to false")


def compare_arms(config: SRPOConfig, given: Shared) -> list[Pending]:
    """Train and measure every arm of one seed."""
    shared = replace(given, sft=finetune_on_revisions(config, given))
    judge = Judge(RewardLabels(source=FittedReward()), [fit_judge(config, shared)])
    trained = train_arms(config, given, shared)
    suites = {GOLD: shared.evaluation, **longer_posts(config, shared)}
    policies: dict[str, PrefectFuture[Any]] = {"sft": shared.sft, **trained}
    return [
        *measure_start(config, shared, judge),
        *(
            score
            for name, series in trained.items()
            for score in measure_arm(config, shared, name, series, judge, named=name in ARMS)
        ),
        *(
            revise_answers(config, shared, name, policy, judge, suite, prompts)
            for name, policy in policies.items()
            for suite, prompts in suites.items()
        ),
        *(demonstrate_longer(shared, suites[LONGER]) if LONGER in suites else []),
        *(choose_best(config, shared, trained["srpo"], judge) if "best_of_n" in config.arms else []),
    ]


def finetune_on_revisions(config: SRPOConfig, shared: Shared) -> PrefectFuture[Any]:
    """The second stage of SFT: answers and revisions, from where the first one ended."""
    with arm("sft", shared.seed):
        portion = take_portion.submit(shared.demonstrations, 0, config.revision_demonstrations)
        mixed = (
            demonstrate_choices.submit(portion, shared.pairs, config.revision)
            if config.data.path
            else demonstrate_edits.submit(portion, config.revision, config.edits, shared.seed)
        )
        return finetune_supervised.submit(shared.sft, mixed, config.revision_sft, config.model, shared.seed)


def fit_judge(config: SRPOConfig, shared: Shared) -> PrefectFuture[Any]:
    """A reward model fitted on the run's pairs."""
    with arm("reward", shared.seed):
        return fit_reward.submit(
            shared.sft,
            shared.pairs,
            shared.held_out,
            config.reward.objective,
            config.reward.training,
            config.model,
            shared.seed * MEMBERS_APART,
        )


def planned_arms(config: SRPOConfig) -> dict[str, Arm]:
    """The arms on pairs that were asked for; a sweep over alpha goes with the paper's own."""
    training = config.training
    longer = training.model_copy(
        update={"max_steps": CONTEXTS * training.max_steps, "epochs": CONTEXTS * training.epochs}
    )
    named = {
        "dpo": Arm(config.dpo, training),
        "ipo": Arm(config.ipo, training),
        "srpo": Arm(config.policy, training),
        "ipo_equal_tokens": Arm(config.ipo, longer),
        "dpo_poor": Arm(config.dpo, training, poor=True),
        "ipo_poor": Arm(config.ipo, training, poor=True),
        "srpo_poor": Arm(config.policy, training, poor=True),
    }
    wanted = {name: one for name, one in named.items() if name in config.arms}
    return wanted | {
        name: Arm(config.policy.model_copy(update={"alpha": alpha}), training)
        for alpha, name in swept_alphas(config).items()
    }


def swept_alphas(config: SRPOConfig) -> dict[float, str]:
    """Further alphas of the sweep and the names of their arms."""
    if "srpo" not in config.arms:
        return {}
    return {alpha: f"srpo-alpha-{alpha:g}" for alpha in config.sweep_alphas if alpha != config.policy.alpha}


def train_arms(config: SRPOConfig, given: Shared, shared: Shared) -> dict[str, Series]:
    """One run an arm from the SFT model, the reference too; ``given`` has the model that sampled the pairs."""
    planned = planned_arms(config)
    pairs: dict[bool, Any] = {False: shared.pairs}
    if any(one.poor for one in planned.values()):
        pairs[True] = poor_pairs(config, given)
    return {name: train_arm(config, shared, name, one, pairs[one.poor]) for name, one in planned.items()}


def train_arm(config: SRPOConfig, shared: Shared, name: str, one: Arm, pairs: Any) -> Series:
    """One run on ``pairs``, with the reference's scores of them."""
    with arm(name, shared.seed):
        if isinstance(one.objective, SRPO):
            revised = score_revisions.submit(shared.sft, pairs, config.revision, config.model)
            return optimise_revisions.submit(
                shared.sft, pairs, revised, config.revision, one.objective, one.training, config.model, shared.seed
            )
        reference = score_pairs.submit(shared.sft, pairs, config.model)
        return optimise_preferences.submit(
            shared.sft, pairs, reference, one.objective, one.training, config.model, shared.seed
        )


def poor_pairs(config: SRPOConfig, given: Shared) -> PrefectFuture[Any]:
    """Pairs of the same prompts, sampled hotter: as many labels, of worse responses."""
    decoding = config.evaluation.decoding.model_copy(update={"temperature": config.poor_temperature, "top_p": 1.0})
    with arm("pairs", given.seed):
        prompts = draw_pair_prompts.submit(config.world, given.seed)
        samples = sample_responses.submit(given.sft, prompts, decoding, 2, config.model, given.seed)
        return label_preferences.submit(samples, config.world, given.seed)


def longer_posts(config: SRPOConfig, shared: Shared) -> dict[str, Rows]:
    """The prompts off the training distribution, if they are asked for."""
    if not config.out_of_distribution:
        return {}
    split: Literal["val", "eval"] = "eval" if config.evaluation.prompts == "test" else "val"
    with arm("pairs", shared.seed):
        return {LONGER: draw_longer_posts.submit(config.world, split)}


def revise_answers(
    config: SRPOConfig, shared: Shared, name: str, policy: PrefectFuture[Any], judge: Judge, suite: str, prompts: Rows
) -> Pending:
    """An arm's answers after 0 to N revisions of its own: points ``N0``, ``N1`` ..."""
    with arm(name, shared.seed):
        scores = measure_revisions.submit(
            policy,
            prompts,
            config.evaluation.decoding,
            config.revision,
            config.revisions,
            list(judge.fitted),
            config.model,
            shared.seed,
        )
    return Pending(name, shared.seed, suite, scores)


def demonstrate_longer(shared: Shared, prompts: Rows) -> list[Pending]:
    """The demonstrators' own answers to the longer prompts."""
    with arm("demonstrations", shared.seed):
        return [Pending("demonstrations", shared.seed, LONGER, measure_demonstrations.submit(prompts))]


def choose_best(config: SRPOConfig, shared: Shared, series: Series, judge: Judge) -> list[Pending]:
    """As many answers of SRPO as N revisions take to sample, and of them the one that the reward model prefers."""
    with arm("best_of_n", shared.seed):
        policy = final_checkpoint.submit(series)
        samples = sample_responses.submit(
            policy, shared.evaluation, config.evaluation.decoding, config.revisions + 1, config.model, shared.seed
        )
        best = choose_best_by_reward.submit(samples, FittedReward(), list(judge.fitted), config.model)
        return [Pending("best_of_n", shared.seed, GOLD, measure_samples.submit(best))]


def claims_of(config: SRPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: of real data by the reward model."""
    return claims_on(
        {"sft", *config.arms}, config.revisions, gold=not config.data.path, longer=config.out_of_distribution
    )


PAPER = Paper(
    key="srpo",
    title="Self-Improving Robust Preference Optimization",
    arxiv="2406.01660",
    family="preference",
    summary=(
        "A policy answers so that nothing is left to improve, and a reviser, the same model with the answer before it, "
        "improves what it can. One squared loss on offline pairs fits both, its optimum does not depend on who sampled "
        "the pairs, and at test time the model revises its own answers."
    ),
    flow="flows.preference.srpo:srpo",
    config=SRPOConfig,
    arms=ARMS,
    claims=claims_of(SRPOConfig()),
    minutes={"smoke": 0.9, "laptop": 19.0, "gpu": 900.0},
)
