"""SimPO (arXiv 2405.14734): configuration and flow."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field, model_validator

from flows.matched import benchmark
from flows.paper import Paper
from flows.preference.matched import Matched, PreferenceConfig, share_inputs
from flows.preference.simpo_claims import ARMS, GOLD, PAIRS, claims_on
from flows.preference.simpo_tuning import Loss, tune_losses
from flows.report import Extras, Report, publish
from flows.temperatures import measure_curve
from flows.tuning import Tuning, require_validation_prompts, tuning_said, tuning_tables, with_settings
from tasks.data.world import TinyWorld
from tasks.engine.refs import Checkpoint, CheckpointSeries
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.likelihood_stages import measure_likelihoods
from tasks.evaluation.stages import measure_checkpoint, measure_demonstrations, measure_series
from tasks.policy.objectives.cpo import CPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.kto import KTO
from tasks.policy.objectives.length_normalised_dpo import LengthNormalisedDPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.orpo import ORPO
from tasks.policy.objectives.reference_free_dpo import ReferenceFreeDPO
from tasks.policy.objectives.rrhf import RRHF
from tasks.policy.objectives.simpo import SimPO
from tasks.policy.objectives.slic_hf import SLiCHF
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.stages import optimise_preferences

Policy = PrefectFuture[Checkpoint] | PrefectFuture[CheckpointSeries]


class SimPOConfig(PreferenceConfig):
    """Everything that a run of the SimPO comparison depends on."""

    arms: list[
        Literal[
            "sft", "dpo", "ipo", "kto", "simpo", "simpo_no_length_norm", "simpo_gamma_0", "ln_dpo", "r_dpo",
            "ref_free_dpo", "cpo", "orpo", "rrhf", "slic_hf",
        ]
    ] = Field(
        ["sft", "dpo", "simpo", "simpo_no_length_norm", "simpo_gamma_0", "ln_dpo", "r_dpo"],
        min_length=1,
        description="Arms to compare",
    )  # fmt: skip
    world: TinyWorld = Field(
        TinyWorld(family="instruct", label_by="judge"),
        description="The scenario, where no real data is given: labels of a judge that likes padding",
    )
    reference_free_learning_rate: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Peak learning rate of the arms without a reference, tuned apart in the paper; 0: as the others'",
    )
    policy: SimPO = Field(SimPO(), description="The paper's objective")
    sweep_margins: list[Annotated[float, Field(ge=0.001, le=10.0)]] = Field(
        [1.5], max_length=20, description="Further target margins of SimPO (gamma/beta; paper's advice: 0 to 1)"
    )
    unnormalised: SimPO = Field(
        SimPO(length_normalisation=False, beta=0.2, gamma_beta_ratio=5.0),
        description="SimPO without length normalisation; its beta is for sums over tokens, its gamma SimPO's",
    )
    dpo: DPO = Field(DPO(), description="DPO")
    ipo: IPO = Field(IPO(), description="IPO")
    kto: KTO = Field(KTO(), description="KTO on pairs")
    ln_dpo: LengthNormalisedDPO = Field(LengthNormalisedDPO(), description="DPO on log-ratios a token")
    r_dpo: LengthRegularisedDPO = Field(LengthRegularisedDPO(), description="DPO with a penalty on length")
    ref_free_dpo: ReferenceFreeDPO = Field(ReferenceFreeDPO(), description="DPO without the reference's term")
    cpo: CPO = Field(CPO(), description="CPO")
    orpo: ORPO = Field(ORPO(), description="ORPO")
    rrhf: RRHF = Field(RRHF(), description="RRHF on pairs")
    slic_hf: SLiCHF = Field(SLiCHF(), description="SLiC-HF")
    tuning: Tuning = Field(
        Tuning(), description="Equal-budget search of every arm's learning rate and strength, before they are compared"
    )

    @model_validator(mode="after")
    def _only_the_ablation_sums(self) -> Self:
        if not self.policy.length_normalisation:
            raise ValueError("policy.length_normalisation must stay on; its ablation is the arm simpo_no_length_norm")
        if self.unnormalised.length_normalisation:
            raise ValueError("unnormalised.length_normalisation must stay off: the arm is SimPO without it")
        require_validation_prompts(self.tuning, self.data, self.evaluation)
        return self


@flow(name="simpo", flow_run_name="simpo-{config.scale}")
def simpo(config: SimPOConfig = SimPOConfig()) -> Report:
    """SimPO: Simple Preference Optimization with a Reference-Free Reward (arXiv 2405.14734).

    Every arm gets the same SFT model, pairs, batches and steps; only the objective differs. The pairs are labelled by a
    judge that likes long answers more than the true reward does, so that a method can win by padding.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("simpo", config, tags, f"simpo-{config.scale}") as session:
        shared = share_inputs(config)
        losses = losses_of(config)
        leaders = {name: tuned_as(name, losses) for name in losses}
        searched = {name: loss for name, loss in losses.items() if leaders[name] == name}
        tuned = tune_losses(config, config.tuning, searched, train_arm)
        if tuned:
            losses = {name: with_settings(*loss, tuned.best[leaders[name]]) for name, loss in losses.items()}
        pending = [scores for one in shared for scores in compare_arms(config, one, losses)]
        suites = [GOLD, PAIRS, *config.benchmarks.suites]
        extras = Extras(tables=tuning_tables(tuned), tuned=tuning_said(tuned))
        return publish(session, collect("simpo", pending), claims_of(config), suites, extras)


def compare_arms(config: SimPOConfig, shared: Matched, losses: Mapping[str, Loss]) -> list[Pending]:
    """Train and measure every arm of one seed."""
    trained = {name: train_arm(config, shared, name, loss) for name, loss in losses.items()}
    return [
        *measure_start(config, shared),
        *(score for name, series in trained.items() for score in measure_trained(config, shared, name, series)),
    ]


def objectives_of(config: SimPOConfig) -> dict[str, Objective]:
    """The trained arms that were asked for; a sweep over the margin goes with the paper's own arm."""
    named: dict[str, Objective] = {
        "simpo": config.policy,
        "simpo_no_length_norm": config.unnormalised,
        "simpo_gamma_0": with_margin(config, 0.0),
        "dpo": config.dpo,
        "ipo": config.ipo,
        "kto": config.kto,
        "ln_dpo": config.ln_dpo,
        "r_dpo": config.r_dpo,
        "ref_free_dpo": config.ref_free_dpo,
        "cpo": config.cpo,
        "orpo": config.orpo,
        "rrhf": config.rrhf,
        "slic_hf": config.slic_hf,
    }
    wanted = {name: objective for name, objective in named.items() if name in config.arms}
    return wanted | {name: with_margin(config, margin) for margin, name in swept_margins(config).items()}


def losses_of(config: SimPOConfig) -> dict[str, Loss]:
    """The trained arms with their budgets, as configured."""
    return {name: (objective, training_of(config, objective)) for name, objective in objectives_of(config).items()}


def tuned_as(name: str, arms: Collection[str]) -> str:
    """The arm of ``arms`` whose settings ``name`` takes: other margins are SimPO's own in all but the margin."""
    other_margin = name == "simpo_gamma_0" or name.startswith("simpo-margin-")
    return "simpo" if other_margin and "simpo" in arms else name


def swept_margins(config: SimPOConfig) -> dict[float, str]:
    """Further margins of the sweep and the names of their arms."""
    if "simpo" not in config.arms:
        return {}
    further = [margin for margin in config.sweep_margins if margin != config.policy.gamma_beta_ratio]
    return {margin: f"simpo-margin-{margin:g}" for margin in further}


def with_margin(config: SimPOConfig, margin: float) -> SimPO:
    """SimPO with another gamma/beta."""
    return config.policy.model_copy(update={"gamma_beta_ratio": margin})


def train_arm(config: PreferenceConfig, shared: Matched, name: str, loss: Loss) -> PrefectFuture[CheckpointSeries]:
    """One training run from the SFT model."""
    objective, training = loss
    with arm(name, shared.seed):
        return optimise_preferences.submit(
            shared.sft, shared.pairs, shared.reference, objective, training, config.model, shared.seed
        )


def training_of(config: SimPOConfig, objective: Objective) -> PreferenceTraining:
    """The arms' budget; those without a reference may have a learning rate of their own."""
    if objective.anchors_needed or not config.reference_free_learning_rate:
        return config.training
    return config.training.model_copy(update={"learning_rate": config.reference_free_learning_rate})


def measure_start(config: SimPOConfig, shared: Matched) -> list[Pending]:
    """SFT and the demonstrators' own answers."""
    seed = shared.seed
    with arm("sft", seed):
        sampled = measure_checkpoint.submit(
            shared.sft, shared.sft, shared.evaluation, config.evaluation.decoding, config.model, seed
        )
    with arm("demonstrations", seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        Pending("sft", seed, GOLD, sampled, shared.sft),
        Pending("demonstrations", seed, GOLD, demonstrated),
        *measure_everywhere(config, shared, "sft", shared.sft),
    ]


def measure_trained(
    config: SimPOConfig, shared: Matched, name: str, series: PrefectFuture[CheckpointSeries]
) -> list[Pending]:
    """The checkpoints of an arm by reward, KL and length; its last one as every arm is."""
    seed = shared.seed
    with arm(name, seed):
        frontier = measure_series.submit(
            series, shared.sft, shared.evaluation, config.evaluation.decoding, config.model, seed
        )
    return [Pending(name, seed, GOLD, frontier, series), *measure_everywhere(config, shared, name, series)]


def measure_everywhere(config: SimPOConfig, shared: Matched, name: str, policy: Policy) -> list[Pending]:
    """Likelihoods of held-out pairs, further temperatures, benchmarks."""
    with arm(name, shared.seed):
        likelihoods = measure_likelihoods.submit(policy, shared.held_out, shared.held_out_reference, config.model)
    return [
        Pending(name, shared.seed, PAIRS, likelihoods),
        *measure_curve(config, shared, name, policy, GOLD),
        *(benchmark(config, shared, name, policy) if name in ARMS else []),
    ]


def claims_of(config: SimPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on win rates need the tiny world's true reward."""
    trained = objectives_of(config)
    margins = {0.0: "simpo_gamma_0", config.policy.gamma_beta_ratio: "simpo", **swept_margins(config)}
    ordered = tuple(margins[margin] for margin in sorted(margins) if margins[margin] in trained)
    return claims_on(ordered, trained.keys(), gold=not config.data.path)


PAPER = Paper(
    key="simpo",
    title="SimPO: Simple Preference Optimization with a Reference-Free Reward",
    arxiv="2405.14734",
    family="preference",
    summary=(
        "A policy's average log-probability of a response is what guides its generation, so SimPO takes that as the "
        "implicit reward: no reference model, no reward for length. The chosen response has to win by a target margin."
    ),
    flow="flows.preference.simpo:simpo",
    config=SimPOConfig,
    arms=ARMS,
    claims=claims_of(SimPOConfig()),
    minutes={"smoke": 0.7, "laptop": 15.0, "gpu": 600.0},
)
