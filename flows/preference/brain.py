"""BRAIn (arXiv 2402.02479): flow. The paper's text was not at hand; what is ours is said where it is chosen."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from flows.claims_asked import claims_on_arms
from flows.matched import Rows, policy_prompts
from flows.paper import Paper
from flows.preference.brain_claims import ARMS, GRADIENTS, claims_on
from flows.preference.brain_config import BRAInConfig
from flows.preference.judged import Judge, measure_arm, measure_start
from flows.preference.matched import Matched, share_inputs
from flows.preference.online import OnlineArm, Series, fit_rewards, train_online
from flows.reinforcement.matched import GOLD
from flows.report import Report, publish
from tasks.data.stages import take_portion
from tasks.engine.refs import Rewards, Samples
from tasks.engine.schema import UserError
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.gradient_stages import measure_gradient_noise
from tasks.models.stages import sample_responses
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.reward_temperature_stages import tune_reward_temperature
from tasks.policy.stages import optimise_preferences
from tasks.reward.sources import FittedReward, GoldReward
from tasks.reward.stages import score_samples

PASSES_AT_MOST = 4
"""Over the run's pairs, of which the arm ``dpo`` takes as many steps as the others."""
CHANGES: dict[str, dict[str, str]] = {
    "brain": {},
    "gdc_plus_plus": {"estimator": "gdc++"},
    "dpg": {"estimator": "dpg"},
    "brain_argmax": {"weights": "argmax"},
}
"""What of the paper's objective each arm with whole groups changes."""
ESTIMATORS = ("brain", "gdc_plus_plus", "dpg")
"""Arms whose gradients are compared at fixed weights."""


@flow(name="brain", flow_run_name="brain-{config.scale}")
def brain(config: BRAInConfig = BRAInConfig()) -> Report:
    """Bayesian Reward-conditioned Amortized Inference for natural language generation (arXiv 2402.02479).

    Every arm on samples gets the same SFT model, reward, prompts, number of responses and steps. Of dpo_sft all
    responses are the SFT model's; the others refresh theirs. The posterior's temperature is chosen once a seed.
    Raises UserError before any training if real pairs are to be rewarded by gold.
    """
    if config.data.path and config.rewarded_by == "gold":
        raise UserError("rewarded_by gold: real pairs come without a true reward; take reward_model")
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("brain", config, tags, f"brain-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        suites = [GOLD, *([GRADIENTS] if estimators_of(config) else []), *config.benchmarks.suites]
        return publish(session, collect("brain", pending), claims_of(config), suites)


def compare_arms(config: BRAInConfig, shared: Matched) -> list[Pending]:
    """Train and measure every arm of one seed."""
    judge = judge_of(config, shared)
    prompts = policy_prompts(config, shared)
    tuned = choose_temperature(config, shared, prompts, judge)
    trained = {
        name: train_online(config, shared, prompts, name, one).series
        for name, one in sampled_arms(config, judge, tuned).items()
    }
    if "dpo" in config.arms:
        trained["dpo"] = train_on_pairs(config, shared)
    return [
        *measure_start(config, shared, judge),
        *(
            score
            for name, series in trained.items()
            for score in measure_arm(config, shared, name, series, judge, named=name in ARMS)
        ),
        *measure_gradients(config, shared, prompts, judge, tuned, trained),
    ]


def judge_of(config: BRAInConfig, shared: Matched) -> Judge:
    """A reward model fitted on the run's pairs, or the true reward."""
    if config.rewarded_by == "gold":
        return Judge(RewardLabels(source=GoldReward()), [])
    return Judge(RewardLabels(source=FittedReward()), fit_rewards(config, shared))


def choose_temperature(config: BRAInConfig, shared: Matched, prompts: Rows, judge: Judge) -> dict[str, Any]:
    """The objectives of the arms with whole groups, all with one beta_r: what they aim at is the same posterior."""
    objectives: dict[str, Any] = {name: config.policy.model_copy(update=change) for name, change in CHANGES.items()}
    wanted: dict[str, Any] = {name: objective for name, objective in objectives.items() if name in config.arms}
    if not config.effective_share or not wanted:
        return wanted
    with arm("sft", shared.seed):
        portion = take_portion.submit(prompts, 0, config.tuning_prompts)
        _, rewards = draw_rewarded(config, shared, portion, config.fresh.per_prompt, judge)
        return {
            name: tune_reward_temperature.submit(objective, rewards, config.effective_share)
            for name, objective in wanted.items()
        }


def draw_rewarded(
    config: BRAInConfig, shared: Matched, prompts: Any, count: int, judge: Judge
) -> tuple[PrefectFuture[Samples], PrefectFuture[Rewards]]:
    """``count`` responses of the SFT model a prompt, and their rewards."""
    samples = sample_responses.submit(shared.sft, prompts, config.fresh.decoding, count, config.model, shared.seed)
    return samples, score_samples.submit(samples, judge.labels.source, list(judge.fitted), config.model)


def sampled_arms(config: BRAInConfig, judge: Judge, tuned: dict[str, Any]) -> dict[str, OnlineArm]:
    """The arms that learn from samples; a sweep over n goes with the paper's own."""
    found = {
        name: OnlineArm(objective, judge.labels, judge.fitted, config.fresh, config.training)
        for name, objective in tuned.items()
    }
    for count, name in swept_sizes(config).items():
        fresh = config.fresh.model_copy(update={"per_prompt": count})
        found[name] = OnlineArm(tuned["brain"], judge.labels, judge.fitted, fresh, config.training)
    if "dpo_sft" in config.arms:
        choice, size = config.dpo_sft_choice, config.training.batch_size
        fresh = config.fresh.model_copy(update={"behaviour": "start", "choice": choice})
        training = config.training.model_copy(update={"batch_size": size * choice.rows(fresh.per_prompt)})
        found["dpo_sft"] = OnlineArm(config.dpo, judge.labels, judge.fitted, fresh, training)
    return found


def swept_sizes(config: BRAInConfig) -> dict[int, str]:
    """Further numbers of responses a prompt and the names of their arms."""
    if "brain" not in config.arms:
        return {}
    return {count: f"brain-n-{count}" for count in config.sweep_n if count != config.fresh.per_prompt}


def train_on_pairs(config: BRAInConfig, shared: Matched) -> Series:
    """DPO on the run's own pairs: as many responses a step and as many steps as the other arms."""
    training = config.training.model_copy(update={"batch_size": config.pairs_a_step, "epochs": PASSES_AT_MOST})
    with arm("dpo", shared.seed):
        return optimise_preferences.submit(
            shared.sft, shared.pairs, shared.reference, config.dpo, training, config.model, shared.seed
        )


def estimators_of(config: BRAInConfig) -> list[str]:
    """The arms whose gradients are compared, at the weights that the paper's arm ends with."""
    asked: list[str] = [name for name in ESTIMATORS if name in config.arms]
    return asked if "brain" in asked else []


def measure_gradients(
    config: BRAInConfig, shared: Matched, prompts: Rows, judge: Judge, tuned: dict[str, Any], trained: dict[str, Series]
) -> list[Pending]:
    """Noise of the estimators at one policy, the trained one, on one proposal's samples, the SFT model's."""
    asked = estimators_of(config)
    if not asked:
        return []
    size = config.fresh.per_prompt
    with arm("sft", shared.seed):
        portion = take_portion.submit(prompts, 0, config.gradient_prompts)
        samples, rewards = draw_rewarded(config, shared, portion, size * config.gradient_groups, judge)
    pending = []
    for name in asked:
        with arm(name, shared.seed):
            scores = measure_gradient_noise.submit(
                trained["brain"], shared.sft, samples, rewards, tuned[name], size, config.model, shared.seed
            )
        pending.append(Pending(name, shared.seed, GRADIENTS, scores))
    return pending


def claims_of(config: BRAInConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: of real data by the reward model."""
    sizes = {config.fresh.per_prompt: "brain", **swept_sizes(config)}
    ordered = tuple(sizes[count] for count in sorted(sizes))
    claims = claims_on(ordered, gold=not config.data.path)
    return claims_on_arms(claims, {"sft", *config.arms, *swept_sizes(config).values()})


PAPER = Paper(
    key="brain",
    title="BRAIn: Bayesian Reward-conditioned Amortized Inference for natural language generation from feedback",
    arxiv="2402.02479",
    family="preference",
    summary=(
        "The ideal policy is the SFT model's posterior given that a response is good. Self-normalised importance "
        "weights of several responses a prompt distil it into the policy, and a self-normalised baseline takes most of "
        "the variance out of the gradient; with two responses and hard weights it is DPO on SFT samples."
    ),
    flow="flows.preference.brain:brain",
    config=BRAInConfig,
    arms=ARMS,
    claims=claims_of(BRAInConfig()),
    minutes={"smoke": 0.8, "laptop": 17.0, "gpu": 1500.0},
)
