"""VPO (arXiv 2405.19320): flow. The paper's text was not at hand; what is ours is said where it is chosen."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from flows.claims_asked import claims_on_arms
from flows.matched import Rows, policy_prompts
from flows.paper import Paper
from flows.preference.judged import Judge, measure_arm, measure_start
from flows.preference.matched import Matched, share_inputs
from flows.preference.online import OnlineArm, Series, fit_rewards, gold_labels, train_online
from flows.preference.vpo_claims import ARMS, CALIBRATION, Rising, claims_on
from flows.preference.vpo_config import VPOConfig
from flows.reinforcement.matched import GOLD, MEMBERS_APART
from flows.report import Report, publish
from tasks.engine.refs import Samples
from tasks.engine.schema import UserError
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.reference_sample_stages import measure_reference_samples
from tasks.models.stages import sample_responses
from tasks.policy.calibrated_stages import optimise_on_calibrated_pairs
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.vpo import VPO
from tasks.policy.stages import optimise_preferences
from tasks.reward.sources import FittedReward


@flow(name="vpo", flow_run_name="vpo-{config.scale}")
def vpo(config: VPOConfig = VPOConfig()) -> Report:
    """Value-Incentivized Preference Optimization: a unified approach to online and offline RLHF (arXiv 2405.19320).

    Two studies from one SFT model. On few fixed pairs, gone through many times, arms differ in the objective alone; on
    fresh pairs they share prompts, oracle, number of labels and steps. Between the arms of a study only the value
    term's strength and sign differ. Raises UserError before any training if real pairs are to be labelled by gold.
    """
    if config.data.path and config.oracle == "gold":
        raise UserError("oracle gold: real pairs come without a true reward; set oracle to reward_model")
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("vpo", config, tags, f"vpo-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        suites = [GOLD, CALIBRATION, *config.benchmarks.suites]
        return publish(session, collect("vpo", pending), claims_of(config), suites)


def compare_arms(config: VPOConfig, shared: Matched) -> list[Pending]:
    """Train and measure every arm of one seed."""
    judge = judge_of(config, shared)
    trained = train_offline(config, shared)
    prompts = policy_prompts(config, shared)
    for name, one in online_arms(config, judge).items():
        trained[name] = train_online(config, shared, prompts, name, one).series
    held_out = calibration_samples(config, shared, shared.evaluation)
    return [
        *measure_start(config, shared, judge),
        *(
            score
            for name, series in trained.items()
            for score in measure_arm(config, shared, name, series, judge, named=name in ARMS)
        ),
        *(measure_calibration(config, shared, name, series, held_out) for name, series in trained.items()),
    ]


def judge_of(config: VPOConfig, shared: Matched) -> Judge:
    """The true reward, or a reward model fitted on the fixed pairs."""
    if config.oracle == "gold":
        return Judge(gold_labels(config), [])
    return Judge(RewardLabels(source=FittedReward()), fit_rewards(config, shared))


def calibration_samples(config: VPOConfig, shared: Matched, prompts: Rows) -> PrefectFuture[Samples]:
    """One response of the SFT model to every row of ``prompts``, other ones than those that are compared."""
    decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
    with arm("pairs", shared.seed):
        return sample_responses.submit(shared.sft, prompts, decoding, 1, config.model, shared.seed + MEMBERS_APART)


def plain_objectives(config: VPOConfig) -> dict[str, Objective]:
    """The offline arms that were asked for and read a pair's two responses alone."""
    chosen = config.policy.model_copy(update={"calibration": "chosen"})
    named: dict[str, Objective] = {"dpo": config.dpo, "ipo": config.ipo, "vpo_chosen": chosen}
    return {name: objective for name, objective in named.items() if name in config.arms}


def calibrated_objectives(config: VPOConfig) -> dict[str, VPO]:
    """The offline arms that were asked for and read a calibration sample; a sweep goes with the paper's own arm."""
    named = {"vpo": config.policy, "vpo_wrong_sign": config.policy.model_copy(update={"sign": "optimistic"})}
    wanted = {name: objective for name, objective in named.items() if name in config.arms}
    return wanted | {
        name: config.policy.model_copy(update={"alpha": alpha}) for alpha, name in swept_alphas(config).items()
    }


def swept_alphas(config: VPOConfig) -> dict[float, str]:
    """Further alphas of the sweep and the names of their arms."""
    if "vpo" not in config.arms:
        return {}
    return {alpha: f"vpo-alpha-{alpha:g}" for alpha in config.sweep_alphas if alpha != config.policy.alpha}


def train_offline(config: VPOConfig, shared: Matched) -> dict[str, Series]:
    """The arms on the fixed pairs: the same batches, with a calibration sample in them or without."""
    given: list[Any] = [config.training, config.model, shared.seed]
    trained: dict[str, Series] = {}
    for name, objective in plain_objectives(config).items():
        with arm(name, shared.seed):
            trained[name] = optimise_preferences.submit(shared.sft, shared.pairs, shared.reference, objective, *given)
    calibrated = calibrated_objectives(config)
    samples = calibration_samples(config, shared, shared.pairs) if calibrated else None
    for name, one in calibrated.items():
        with arm(name, shared.seed):
            trained[name] = optimise_on_calibrated_pairs.submit(
                shared.sft, shared.pairs, shared.reference, samples, one, *given
            )
    return trained


def online_arms(config: VPOConfig, judge: Judge) -> dict[str, OnlineArm]:
    """The arms on fresh pairs that were asked for.

    XPO's pairs are its paper's: one response of the policy and one of the SFT model; the response that it makes less
    likely is a further one of the SFT model. All other arms compare two of the policy's own.
    """
    base = config.fresh
    calibrated = base.model_copy(update={"calibration": True})
    wrong = config.online_policy.model_copy(update={"sign": "pessimistic"})
    planned: dict[str, tuple[Objective, FreshPairs]] = {
        "online_dpo": (config.dpo, base),
        "online_vpo": (config.online_policy, calibrated),
        "xpo": (config.xpo, calibrated.model_copy(update={"behaviour": "mixed"})),
        "online_vpo_wrong_sign": (wrong, calibrated),
        "online_dpo_plain": (config.dpo, base.model_copy(update={"rounds_replayed": 0})),
        "online_vpo_plain": (config.online_policy, calibrated.model_copy(update={"rounds_replayed": 0})),
    }
    return {
        name: OnlineArm(objective, judge.labels, judge.fitted, fresh, config.online_training)
        for name, (objective, fresh) in planned.items()
        if name in config.arms
    }


def measure_calibration(
    config: VPOConfig, shared: Matched, name: str, series: Series, samples: PrefectFuture[Samples]
) -> Pending:
    """How likely the SFT model's own responses to the evaluation prompts still are."""
    with arm(name, shared.seed):
        scores = measure_reference_samples.submit(series, samples, config.model)
    return Pending(name, shared.seed, CALIBRATION, scores)


def claims_of(config: VPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: of real data by the reward model."""
    alphas = {config.policy.alpha: "vpo", **swept_alphas(config)}
    ordered = tuple(alphas[alpha] for alpha in sorted(alphas))
    rising = Rising(ordered, config.training.snapshots, config.online_training.snapshots)
    claims = claims_on(rising, "proxy_reward" if config.data.path else "gold_reward")
    return claims_on_arms(claims, {"sft", *config.arms, *swept_alphas(config).values()})


PAPER = Paper(
    key="vpo",
    title="Value-Incentivized Preference Optimization: A Unified Approach to Online and Offline RLHF",
    arxiv="2405.19320",
    family="preference",
    summary=(
        "The reward is fitted by maximum likelihood and biased by its own optimal value: upwards to explore online, "
        "downwards to stay safe offline. In terms of the policy that is DPO and one log-likelihood term on "
        "calibration responses, whose sign decides."
    ),
    flow="flows.preference.vpo:vpo",
    config=VPOConfig,
    arms=ARMS,
    claims=claims_of(VPOConfig()),
    minutes={"smoke": 0.9, "laptop": 18.0, "gpu": 1200.0},
)
