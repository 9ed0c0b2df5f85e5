"""PAR (arXiv 2502.18770): configuration and flow."""

from itertools import pairwise
from typing import Annotated, Self

from prefect import flow
from pydantic import Field, model_validator

from flows.claims_asked import claims_on_arms
from flows.matched import Rows, Shared, policy_prompts, share_inputs
from flows.paper import Paper
from flows.reinforcement.matched import (
    GOLD,
    PolicyArm,
    ReinforcementConfig,
    Reward,
    measure_policy,
    measure_start,
    train_policies,
)
from flows.reinforcement.par_arms import ARMS, CEILINGS, GRPO, REWARD_SIDE, ArmName, budget_of, methods_of
from flows.reinforcement.par_claims import claims_on_proxy, claims_with_gold
from flows.reinforcement.par_option_claims import claims_on_options
from flows.reinforcement.par_rewards import COMMON, fit_rewards, score_own_references, with_clean_held_out
from flows.report import Report, publish
from tasks.data.world import TinyWorld
from tasks.engine.session import paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.steps.advantages import GeneralisedAdvantage
from tasks.policy.steps.clipped_value import ClippedValue
from tasks.policy.steps.kl_control import FixedKL
from tasks.policy.steps.score_adjustments import LengthPenalty, ScoreClip
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.objectives.odin import ODIN
from tasks.reward.sources import FittedReward

METHOD = PolicyGradient(
    kl=FixedKL(coefficient=0.005),
    length_penalty=LengthPenalty(),
    score_clip=ScoreClip(limit=1e6),
    advantage=GeneralisedAdvantage(gae_lambda=0.95, returns="monte_carlo", whiten="trainable"),
    value=ValueModel(trunk="own", start="reward", coefficient=1.0, loss=ClippedValue(clip=0.2, factor=1.0)),
    buffer_batches=4,
)
"""Section 3.1 and the released code: what all arms do alike. Scores have no bound before shaping gives them one."""


class ParConfig(ReinforcementConfig):
    """Everything that a run of the PAR comparison depends on."""

    arms: list[ArmName] = Field(
        [
            "sft", "vanilla", "par", "mean_std", "clip", "min_max", "lsc", "sgfc", "sigmoid", "par_m1", "warm",
            "odin", "reg", "vanilla_kl_0.1", "ceiling",
        ],
        min_length=1,
        description="Arms to compare",
    )  # fmt: skip
    world: TinyWorld = Field(
        TinyWorld(demonstrations=9600, pairs=2000, policy_prompts=1600, evaluation_prompts=200, label_noise=0.25),
        description="The scenario, where no real data is given; few and noisy pairs make a proxy to exploit (ours)",
    )
    method: PolicyGradient = Field(METHOD, description="What all arms do alike; an arm changes one step")
    training: ReinforcementTraining = Field(
        ReinforcementTraining(rollouts=60), description="Budget of every arm; those called long have twice of it"
    )
    rewarded: FittedReward = Field(
        FittedReward(standardise=False),
        description="What policies maximise. Unscaled, the sigmoid of a distance is the reward model's own preference",
    )
    references: int = Field(10, ge=2, le=1000, description="SFT responses a training prompt to compare with (M)")
    steepness: float = Field(
        1.0, ge=1e-3, le=30.0, description="Slope k of PAR's, SgFc's and the plain sigmoid; arms k2 and k3 multiply it"
    )
    ceilings: list[Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(
        [3.0, 4.0, 5.0], min_length=3, max_length=3, description="Ceilings of ceiling_low, ceiling and ceiling_high"
    )
    ceiling_reward: FittedReward = Field(
        FittedReward(standardise=False),
        description="What the ceilings hold down; standardised where the zero of a reward model means nothing",
    )
    reg: BradleyTerry = Field(BradleyTerry(square_penalty=0.005), description="Loss of Reg's reward model")
    odin: ODIN = Field(ODIN(), description="Loss of ODIN's reward model")
    warm_rates: list[Annotated[float, Field(ge=1e-6, le=100.0)]] = Field(
        [0.6, 0.8, 1.0, 1.2, 1.4],
        min_length=2,
        max_length=32,
        description="WARM's members, each by its learning rate over the common one (paper: 3e-6 to 7e-6 over 5e-6)",
    )
    grpo_responses: int = Field(5, ge=2, le=1024, description="Responses a prompt of the GRPO arms (paper 5)")

    @model_validator(mode="after")
    def _arms_can_run(self) -> Self:
        if any(low >= high for low, high in pairwise(self.ceilings)):
            raise ValueError(f"ceilings {self.ceilings} must rise")
        grouped = [name for name in self.arms if name in GRPO]
        if grouped and self.training.rollouts % self.grpo_responses:
            raise ValueError(
                f"training.rollouts {self.training.rollouts} must be a multiple of grpo_responses "
                f"{self.grpo_responses} for {grouped[0]}, so that its iterations are as large as the others'"
            )
        return self


@flow(name="par", flow_run_name="par-{config.scale}")
def par(config: ParConfig = ParConfig()) -> Report:
    """Reward Shaping to Mitigate Reward Hacking in RLHF (arXiv 2502.18770).

    Every arm gets the same SFT model, pairs, prompts, rollouts and steps; only what stands between reward model and
    policy gradient differs, or, in the reward-side arms, how the reward model was fitted.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "reinforcement", "scale": config.scale, "scenario": scenario}
    with paper_run("par", config, tags, f"par-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("par", pending), claims_of(config), [GOLD, *config.benchmarks.suites])


def compare_arms(config: ParConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed.

    Proxy rewards are measured in units of the held-out spread of the arm's own reward model, so that the arms whose
    reward models differ can be drawn in one figure.
    """
    shared = with_clean_held_out(config, shared)
    prompts = policy_prompts(config, shared)
    rewards = fit_rewards(config, shared)
    arms = arms_of(config, shared, prompts, rewards)
    trained = train_policies(config, shared, prompts, arms)
    return [
        *measure_start(config, shared, [rewards[COMMON]]),
        *(
            score
            for name, series in trained.items()
            for score in measure_policy(config, shared, name, series, FittedReward(), arms[name].fitted)
        ),
    ]


def arms_of(config: ParConfig, shared: Shared, prompts: Rows, rewards: dict[str, Reward]) -> dict[str, PolicyArm]:
    """The arms to train; those that compare with references are given the same ones."""
    methods = {name: method for name, method in methods_of(config).items() if name in config.arms}
    most = max((method.shaping.anchors_needed for method in methods.values()), default=0)
    anchors = [score_own_references(config, shared, prompts, [rewards[COMMON]], most)] if most else []
    return {
        name: PolicyArm(
            method=method,
            fitted=[rewards[REWARD_SIDE.get(name, COMMON)]],
            source=config.ceiling_reward if name in CEILINGS else config.rewarded,
            anchors=anchors if method.shaping.anchors_needed else [],
            training=budget_of(name, config.training),
        )
        for name, method in methods.items()
    }


def claims_of(config: ParConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on gold reward need the tiny world."""
    if config.data.path:
        return claims_on_proxy(config.training.snapshots)
    claims = (*claims_with_gold(config.training.snapshots), *claims_on_options(config.arms, config.training.snapshots))
    return claims_on_arms(claims, {"sft", *config.arms})


PAPER = Paper(
    key="par",
    title="Reward Shaping to Mitigate Reward Hacking in RLHF",
    arxiv="2502.18770",
    family="reinforcement",
    summary=(
        "An unbounded reward-model score is hacked once it passes some threshold. Preference As Reward gives the "
        "policy the reward model's own probability that its response beats reference responses of the SFT model: "
        "bounded, steepest at the start, flat where it would pay to exploit the reward model."
    ),
    flow="flows.reinforcement.par:par",
    config=ParConfig,
    arms=ARMS,
    claims=claims_of(ParConfig()),
    minutes={"smoke": 1.0, "laptop": 22.0, "gpu": 6000.0},
)
