"""DPO (arXiv 2305.18290): configuration and flow."""

from typing import Any, Literal

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field

from flows.matched import benchmark
from flows.paper import Paper
from flows.preference.dpo_claims import ARMS, GOLD, PAIRS, claims_on_pairs, claims_with_gold
from flows.preference.matched import Matched, PreferenceConfig, share_inputs
from flows.report import Report, publish
from tasks.engine.refs import Checkpoint, CheckpointSeries
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.stages import (
    choose_by_implicit_reward,
    measure_checkpoint,
    measure_demonstrations,
    measure_pairs,
    measure_samples,
    measure_series,
    measure_temperatures,
)
from tasks.models.stages import sample_responses
from tasks.policy.objectives.conservative_dpo import ConservativeDPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.optimisation import SupervisedTraining
from tasks.policy.stages import finetune_preferred, optimise_preferences

PAPER_METHODS = ("dpo", "preferred_ft")
"""The paper's own trained arms: those that its win-rate curve over temperatures shows."""
Trained = dict[str, PrefectFuture[CheckpointSeries]]


class DPOConfig(PreferenceConfig):
    """Everything that a run of the DPO comparison depends on."""

    arms: list[Literal["sft", "preferred_ft", "best_of_n", "dpo", "cdpo", "ipo", "slic"]] = Field(
        ["sft", "preferred_ft", "best_of_n", "dpo", "cdpo", "ipo"],
        min_length=1,
        description="Arms to compare",
    )
    preferred_ft: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=3e-4, batch_size=32, snapshots=4),
        description="Preferred-FT, on as many pairs and steps as the preference arms",
    )
    policy: DPO = Field(DPO(), description="The paper's objective")
    cdpo: ConservativeDPO = Field(ConservativeDPO(), description="Conservative DPO")
    ipo: IPO = Field(IPO(), description="IPO")
    slic: SLiCHinge = Field(SLiCHinge(), description="SLiC hinge")
    sweep_betas: list[float] = Field(
        [0.05, 0.5, 1.0],
        max_length=20,
        description="Further betas of DPO for the frontier (paper: 0.05, 0.1, 1, 5)",
    )


@flow(name="dpo", flow_run_name="dpo-{config.scale}")
def dpo(config: DPOConfig = DPOConfig()) -> Report:
    """Direct Preference Optimization: Your Language Model is Secretly a Reward Model (arXiv 2305.18290).

    Every arm gets the same SFT model, pairs, reference scores, batches and steps; only the objective differs.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("dpo", config, tags, f"dpo-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("dpo", pending), claims_of(config), [GOLD, PAIRS, *config.benchmarks.suites])


def compare_arms(config: DPOConfig, shared: Matched) -> list[Pending]:
    """Train and measure every arm of one seed."""
    trained = train_arms(config, shared)
    return [
        *measure_baselines(config, shared),
        *(score for name in trained for score in measure_trained(config, shared, name, trained[name])),
        *(decode_best_of_n(config, shared, trained) if "best_of_n" in config.arms else []),
    ]


def objectives_of(config: DPOConfig) -> dict[str, Objective]:
    """The preference arms that were asked for; a sweep over beta goes with the paper's own arm."""
    named: dict[str, Objective] = {
        "dpo": config.policy, "cdpo": config.cdpo, "ipo": config.ipo, "slic": config.slic
    }  # fmt: skip
    wanted = {name: objective for name, objective in named.items() if name in config.arms}
    betas = [beta for beta in config.sweep_betas if beta != config.policy.beta] if "dpo" in wanted else []
    return wanted | {f"dpo-beta-{beta:g}": config.policy.model_copy(update={"beta": beta}) for beta in betas}


def train_arms(config: DPOConfig, shared: Matched) -> Trained:
    """One training run an arm, from the same SFT model."""
    trained: Trained = {}
    for name, objective in objectives_of(config).items():
        with arm(name, shared.seed):
            trained[name] = optimise_preferences.submit(
                shared.sft,
                shared.pairs,
                shared.reference,
                objective,
                config.training,
                config.model,
                shared.seed,
            )
    if "preferred_ft" in config.arms:
        with arm("preferred_ft", shared.seed):
            trained["preferred_ft"] = finetune_preferred.submit(
                shared.sft, shared.pairs, config.preferred_ft, config.model, shared.seed
            )
    return trained


def measure_baselines(config: DPOConfig, shared: Matched) -> list[Pending]:
    """SFT, at every temperature, and the demonstrators' own answers."""
    seed, settings = shared.seed, config.evaluation
    with arm("sft", seed):
        at_one = measure_checkpoint.submit(
            shared.sft, shared.sft, shared.evaluation, settings.decoding, config.model, seed
        )
        curve = measure_curve(config, shared, "sft", shared.sft)
    with arm("demonstrations", seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        Pending("sft", seed, GOLD, at_one, shared.sft),
        *curve,
        *benchmark(config, shared, "sft", shared.sft),
        Pending("demonstrations", seed, GOLD, demonstrated),
    ]


def measure_curve(
    config: DPOConfig, shared: Matched, name: str, policy: PrefectFuture[Checkpoint] | PrefectFuture[CheckpointSeries]
) -> list[Pending]:
    """An arm's policy at the further temperatures, if there are any."""
    settings = config.evaluation
    if not settings.temperatures:
        return []
    curve = measure_temperatures.submit(
        policy, shared.sft, shared.evaluation, settings.decoding, settings.temperatures, config.model, shared.seed
    )
    return [Pending(name, shared.seed, GOLD, curve)]


def measure_trained(
    config: DPOConfig, shared: Matched, name: str, series: PrefectFuture[CheckpointSeries]
) -> list[Pending]:
    """The frontier of an arm's checkpoints; for the paper's methods temperatures, for named arms held-out pairs."""
    seed, settings = shared.seed, config.evaluation
    with arm(name, seed):
        frontier = measure_series.submit(series, shared.sft, shared.evaluation, settings.decoding, config.model, seed)
        pending = [Pending(name, seed, GOLD, frontier, series)]
        if name in ARMS:
            pending += benchmark(config, shared, name, series)
        if name in PAPER_METHODS:
            pending += measure_curve(config, shared, name, series)
        if name in ARMS:
            pairs = measure_pairs.submit(
                series, shared.held_out, shared.held_out_reference, config.policy.beta, config.model
            )
            pending.append(Pending(name, seed, PAIRS, pairs))
    return pending


def decode_best_of_n(config: DPOConfig, shared: Matched, trained: Trained) -> list[Pending]:
    """Sample n responses from SFT and keep the one that DPO's implicit reward prefers; nothing is trained for it."""
    with arm("best_of_n", shared.seed):
        reward: Any = trained.get("dpo") or optimise_preferences.submit(
            shared.sft,
            shared.pairs,
            shared.reference,
            config.policy,
            config.training,
            config.model,
            shared.seed,
        )
        samples = sample_responses.submit(
            shared.sft, shared.evaluation, config.evaluation.decoding, config.evaluation.best_of, config.model,
            shared.seed,
        )  # fmt: skip
        chosen = choose_by_implicit_reward.submit(samples, reward, config.model)
        return [Pending("best_of_n", shared.seed, GOLD, measure_samples.submit(chosen))]


def claims_of(config: DPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on gold reward need the tiny world."""
    if config.data.path:
        return claims_on_pairs()
    return claims_with_gold(config.training.snapshots, config.sweep_betas, config.policy.beta)


PAPER = Paper(
    key="dpo",
    title="Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
    arxiv="2305.18290",
    family="preference",
    summary=(
        "The optimum of KL-regularised reward maximisation has a closed form, so a Bradley-Terry reward can be "
        "written as beta log(pi/pi_ref). Fitting that implicit reward with a logistic loss on pairs trains the "
        "policy directly: no reward model, no sampling, no RL loop."
    ),
    flow="flows.preference.dpo:dpo",
    config=DPOConfig,
    arms=ARMS,
    claims=claims_of(DPOConfig()),
    minutes={"smoke": 0.5, "laptop": 9.0, "gpu": 120.0},
)
