"""DPO (arXiv 2305.18290): configuration and flow."""

from typing import Literal, Self

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field, model_validator

from flows.matched import benchmark
from flows.paper import Paper
from flows.preference.dpo_claims import ARMS, GOLD, PAIRS, claims_on_pairs, claims_with_gold
from flows.preference.dpo_ppo import (
    READS_REWARD,
    PPOComparison,
    as_reinforcement,
    decode_best_of_n,
    decode_by_implicit_reward,
    frontiers_of,
    measure_ppo,
    train_ppo,
)
from flows.preference.matched import Matched, PreferenceConfig, share_inputs
from flows.reinforcement.matched import fit_members
from flows.report import Report, publish
from flows.temperatures import measure_curve
from tasks.engine.refs import CheckpointSeries
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.stages import (
    measure_checkpoint,
    measure_demonstrations,
    measure_pairs,
    measure_series,
)
from tasks.policy.objectives.conservative_dpo import ConservativeDPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.optimisation import SupervisedTraining
from tasks.policy.stages import finetune_preferred, optimise_preferences

PAPER_METHODS = ("dpo", "preferred_ft")
"""The paper's own arms trained on pairs: those that, with PPO, its win-rate curve over temperatures shows."""
Trained = dict[str, PrefectFuture[CheckpointSeries]]


class DPOConfig(PreferenceConfig):
    """Everything that a run of the DPO comparison depends on."""

    arms: list[
        Literal["sft", "preferred_ft", "best_of_n", "best_of_n_implicit", "dpo", "ppo", "ppo_gt", "cdpo", "ipo", "slic"]
    ] = Field(
        ["sft", "preferred_ft", "best_of_n", "dpo", "ppo", "ppo_gt", "cdpo", "ipo"],
        min_length=1,
        description="Arms to compare; ppo_gt needs the tiny world",
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
    ppo: PPOComparison = Field(PPOComparison(), description="PPO on a reward model fitted on the same pairs")

    @model_validator(mode="after")
    def _the_true_reward_is_known(self) -> Self:
        if "ppo_gt" in self.arms and self.data.path:
            raise ValueError(
                "arms: ppo_gt maximises the true reward, which the tiny world alone has; leave it out with data.path"
            )
        return self


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
        *compare_with_reward(config, shared),
        *(choose_implicitly(config, shared, trained) if "best_of_n_implicit" in config.arms else []),
    ]


def compare_with_reward(config: DPOConfig, shared: Matched) -> list[Pending]:
    """The arms that need a reward model: it is fitted once, on the pairs that DPO is trained on."""
    if READS_REWARD.isdisjoint(config.arms):
        return []
    settings = as_reinforcement(config, config.ppo)
    fitted = fit_members(settings, shared)
    trained = train_ppo(settings, config.ppo, shared, config.arms, fitted)
    return [
        *measure_ppo(settings, shared, trained, fitted),
        *(measure_curve(config, shared, "ppo", trained["ppo"], GOLD) if "ppo" in trained else []),
        *(decode_best_of_n(config, shared, fitted) if "best_of_n" in config.arms else []),
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
    with arm("demonstrations", seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        Pending("sft", seed, GOLD, at_one, shared.sft),
        *measure_curve(config, shared, "sft", shared.sft, GOLD),
        *benchmark(config, shared, "sft", shared.sft),
        Pending("demonstrations", seed, GOLD, demonstrated),
    ]


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
            pending += measure_curve(config, shared, name, series, GOLD)
        if name in ARMS:
            pairs = measure_pairs.submit(
                series, shared.held_out, shared.held_out_reference, config.policy.beta, config.model
            )
            pending.append(Pending(name, seed, PAIRS, pairs))
    return pending


def choose_implicitly(config: DPOConfig, shared: Matched, trained: Trained) -> list[Pending]:
    """Best-of-n without a reward model: by what DPO has learned, which is trained for it where it is no arm."""
    with arm("best_of_n_implicit", shared.seed):
        policy = trained.get("dpo") or optimise_preferences.submit(
            shared.sft,
            shared.pairs,
            shared.reference,
            config.policy,
            config.training,
            config.model,
            shared.seed,
        )
    return decode_by_implicit_reward(config, shared, policy)


def claims_of(config: DPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on gold reward need the tiny world."""
    if config.data.path:
        return claims_on_pairs()
    return claims_with_gold(
        config.training.snapshots,
        config.sweep_betas,
        config.policy.beta,
        frontiers_of(config.ppo),
        greedy=0.0 in config.evaluation.temperatures,
    )


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
