"""Reward model ensembles (arXiv 2310.02743): configuration and flow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from prefect import flow
from prefect.futures import PrefectFuture

from flows.matched import Rows, Shared, policy_prompts, sampled_pairs, share_inputs
from flows.paper import Paper
from flows.reinforcement.matched import (
    GOLD,
    PolicyArm,
    Reward,
    fit_members,
    measure_policy,
    measure_start,
    train_policies,
)
from flows.report import Report, publish
from flows.reward.rm_ensembles_claims import claims_on_disagreement, claims_with_gold
from flows.reward.rm_ensembles_design import ARMS, BEST_OF_N, ENSEMBLES, SIZES, WIN_RATE, Design, arm_name, rival_of
from flows.reward.rm_ensembles_settings import RMEnsemblesConfig
from tasks.data.label_stages import flip_labels
from tasks.data.stages import draw_pair_prompts
from tasks.engine.refs import Rewards, Samples
from tasks.engine.session import arm, paper_run
from tasks.evaluation.best_of_n_settings import Selector
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Collected, Pending, collect
from tasks.evaluation.ensemble_stages import measure_agreement
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.stages import sweep_best_of_n
from tasks.evaluation.win_rate import win_rate_scores
from tasks.models.stages import sample_responses
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.kl_control import FixedKL
from tasks.reward.sources import FittedReward
from tasks.reward.stages import score_samples

Aggregate = Literal["single", "mean", "worst_case", "uncertainty_weighted"]
AGGREGATES: Mapping[str, Aggregate] = {
    "single": "single", "mean": "mean", "wco": "worst_case", "uwo": "uncertainty_weighted"
}  # fmt: skip
Members = Mapping[float, Sequence[Reward]]
"""Label noise to the reward models fitted with it."""


@flow(name="rm_ensembles", flow_run_name="rm_ensembles-{config.scale}")
def rm_ensembles(config: RMEnsemblesConfig = RMEnsemblesConfig()) -> Report:
    """Reward Model Ensembles Help Mitigate Overoptimization (arXiv 2310.02743).

    Every arm gets the same SFT model, pairs, flipped labels, reward models, answers, prompts and steps; only what is
    made of the members' rewards differs.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "reward", "scale": config.scale, "scenario": scenario}
    with paper_run("rm_ensembles", config, tags, f"rm_ensembles-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        collected = with_wins_over_single(collect("rm_ensembles", pending))
        return publish(session, collected, claims_of(config), [GOLD, BEST_OF_N, SIZES, *config.benchmarks.suites])


def compare_arms(config: RMEnsemblesConfig, shared: Shared) -> list[Pending]:
    """Fit the members at every label noise, then optimise and measure every arm of one seed."""
    members = {
        noise: fit_members(
            config, shared, max(config.sizes), labelled_pairs(config, shared, noise), arm_name("reward", noise=noise)
        )
        for noise in config.label_noises
    }
    return [
        *measure_start(config, shared, members[min(config.label_noises)][:1]),
        *(optimise_policies(config, shared, members) if "ppo" in config.optimisers else []),
        *(choose_answers(config, shared, members) if "best_of_n" in config.optimisers else []),
    ]


def labelled_pairs(config: RMEnsemblesConfig, shared: Shared, noise: float) -> Rows:
    """The run's pairs with a share of labels flipped: one data set for all members; fewer flips are among the more."""
    if not noise:
        return shared.pairs
    with arm("pairs", shared.seed):
        if config.data.path:
            return flip_labels.submit(shared.pairs, noise, shared.seed)
        world = config.world.model_copy(update={"label_noise": noise})
        prompts = draw_pair_prompts.submit(config.world, shared.seed)
        return sampled_pairs(config.model_copy(update={"world": world}), shared.sft, prompts, shared.seed)


def optimise_policies(config: RMEnsemblesConfig, shared: Shared, members: Members) -> list[Pending]:
    """PPO of every arm from the SFT model, and every checkpoint measured by the reward that it maximised."""
    arms = policy_arms(config, members)
    trained = train_policies(config, shared, policy_prompts(config, shared), arms)
    return [
        scores
        for name, one in arms.items()
        for scores in measure_policy(config, shared, name, trained[name], one.source, one.fitted)
    ]


def policy_arms(config: RMEnsemblesConfig, members: Members) -> dict[str, PolicyArm]:
    """Every PPO arm by its name: without a penalty at every noise; with one where ``penalised_noises`` says so."""
    found: dict[str, PolicyArm] = {}
    for noise, fitted in members.items():
        found |= arms_at(config, fitted, noise, 0.0)
        if noise not in config.penalised_noises:
            continue
        found |= arms_at(config, fitted, noise, config.small_beta)
        if "kl_only" in config.arms:
            method = penalised(config.method, config.large_beta)
            found |= {
                arm_name("kl_only", member=member, noise=noise): PolicyArm(method, [fitted[member]])
                for member in range(config.single_members)
            }
    return found


def arms_at(config: RMEnsemblesConfig, fitted: Sequence[Reward], noise: float, beta: float) -> dict[str, PolicyArm]:
    """Single reward models and ensembles that differ in nothing but the reward; ``beta`` 0: the method's own KL."""
    method = penalised(config.method, beta) if beta else config.method
    most = max(config.sizes)
    found = {
        arm_name("single", member=member, beta=beta, noise=noise): PolicyArm(method, [fitted[member]])
        for member in range(config.single_members)
        if "single" in config.arms
    }
    for name in (name for name in ENSEMBLES if name in config.arms):
        source = FittedReward(aggregate=AGGREGATES[name], uncertainty_penalty=config.penalty, variance=config.variance)
        found |= {
            arm_name(name, size=0 if size == most else size, beta=beta, noise=noise): PolicyArm(
                method, fitted[:size], source
            )
            for size in config.policy_sizes or [most]
        }
    return found


def penalised(method: PolicyGradient, beta: float) -> PolicyGradient:
    """``method`` with a fixed KL penalty of ``beta`` reward units a nat."""
    return method.model_copy(update={"kl": FixedKL(coefficient=beta)})


def choose_answers(config: RMEnsemblesConfig, shared: Shared, members: Members) -> list[Pending]:
    """Best-of-n from one pool of answers; at every label noise the members' likeness and every selector's curve."""
    settings, seed = config.best_of_n, shared.seed
    with arm("sft", seed):
        pool = sample_responses.submit(
            shared.sft, shared.evaluation, settings.decoding, settings.answers, config.model, seed
        )
    pending = []
    for noise, fitted in members.items():
        name = arm_name("reward", noise=noise)
        with arm(name, seed):
            rewards = score_samples.submit(pool, FittedReward(aggregate="mean"), list(fitted), config.model)
            pending.append(Pending(name, seed, BEST_OF_N, measure_agreement.submit(rewards)))
        pending += sweep_selectors(config, seed, pool, rewards, noise)
    return pending


def sweep_selectors(
    config: RMEnsemblesConfig, seed: int, pool: PrefectFuture[Samples], rewards: PrefectFuture[Rewards], noise: float
) -> list[Pending]:
    """Every selector over n, ensembles in every size; the largest stands in the suite of selectors too."""
    settings, most = config.best_of_n, max(config.sizes)
    pending = []
    for name in (name for name in AGGREGATES if name in config.arms):
        for size in config.sizes if name in ENSEMBLES else [most]:
            selector = Selector(kind=AGGREGATES[name], penalty=settings.penalty, members=size)
            with arm(arm_name(name, noise=noise), seed):
                scores = sweep_best_of_n.submit(pool, [rewards], selector, settings.sweep)
            sized = arm_name(name, size=size if name in ENSEMBLES else 0, noise=noise)
            pending.append(Pending(sized, seed, SIZES, scores))
            if size == most:
                pending.append(Pending(arm_name(name, noise=noise), seed, BEST_OF_N, scores))
    return pending


def with_wins_over_single(collected: Collected) -> Collected:
    """Scores with every final PPO policy's win rate over that of the first member alone at the same label noise."""
    scores = collected.scores
    golden = scores[(scores["suite"] == GOLD) & (scores["metric"] == "gold_reward")]
    finals = [str(name) for name in golden["arm"].unique() if "@" not in str(name)]
    wins = [
        win_rate_scores(scores, name, rival_of(name), GOLD).assign(metric=WIN_RATE)
        for name in finals
        if rival_of(name) in finals and rival_of(name) != name
    ]
    return replace(collected, scores=concat_scores([scores, *wins]))


def claims_of(config: RMEnsemblesConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: on its optimisers; those on gold reward need the tiny world."""
    design = Design(
        noises=config.label_noises,
        sizes=config.sizes,
        counts=config.best_of_n.sweep.counts,
        snapshots=config.training.snapshots,
        single_members=config.single_members,
        small_beta=config.small_beta,
        penalised_noises=config.penalised_noises,
    )
    claims = claims_on_disagreement(design) if config.data.path else claims_with_gold(design)
    scored = {"ppo": (GOLD,), "best_of_n": (BEST_OF_N, SIZES)}
    suites = {suite for optimiser in config.optimisers for suite in scored[optimiser]}
    return tuple(claim for claim in claims if getattr(claim.evidence, "suite", "") in suites)


PAPER = Paper(
    key="rm_ensembles",
    title="Reward Model Ensembles Help Mitigate Overoptimization",
    arxiv="2310.02743",
    family="reward",
    summary=(
        "Several reward models that differ in their seed alone disagree where they are wrong. Optimising their lowest "
        "reward, or their mean less their variance, by best-of-n or PPO keeps the true reward from falling, with noisy "
        "labels most of all, and needs only a small KL penalty beside it."
    ),
    flow="flows.reward.rm_ensembles:rm_ensembles",
    config=RMEnsemblesConfig,
    arms=ARMS,
    claims=claims_of(RMEnsemblesConfig()),
    minutes={"smoke": 1.0, "laptop": 18.0, "gpu": 2400.0},
)
