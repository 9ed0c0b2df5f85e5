"""INPO (arXiv 2407.00617): configuration and flow."""

from typing import Literal, NamedTuple, Self

from prefect import flow
from pydantic import Field, model_validator

from flows.claims_asked import claims_on_arms
from flows.matched import Shared, policy_prompts, share_inputs
from flows.paper import Paper
from flows.preference.inpo_claims import ARMS, claims_on_proxy, claims_with_gold
from flows.preference.inpo_cyclic import ARMS as CYCLIC
from flows.preference.inpo_cyclic import STYLES, CyclicStudy, claims_on_circles, measure_cyclic, train_cyclic
from flows.preference.online import OnlineArm, fit_rewards, train_in_rounds
from flows.preference.rounds import JudgeFitting, RoundsConfig, fit_judge, measure_arm, measure_start, prompts_for
from flows.reinforcement.matched import GOLD, Reward
from flows.report import Report, publish
from tasks.engine.session import paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.policy.fresh.choices import BestWorst, PairChoice, Tournament
from tasks.policy.fresh.labellers import Labeller, PairwiseLabels, RewardLabels
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.sppo import SPPO
from tasks.reward.sources import FittedReward

Oracle = Literal["rm", "pm"]
ORACLES: dict[str, Oracle] = {
    "iterative_dpo_rm": "rm", "iterative_dpo_pm": "pm", "sppo": "pm", "inpo_rm": "rm", "inpo_pm": "pm",
    "inpo_no_kl": "pm", "inpo_rm_no_kl": "rm",
}  # fmt: skip
"""Whom each arm asks which response is better: the reward model or the pairwise preference model."""


class INPOConfig(RoundsConfig):
    """Everything that a run of the INPO comparison depends on."""

    arms: list[
        Literal[
            "sft", "iterative_dpo_rm", "iterative_dpo_pm", "sppo", "inpo_rm", "inpo_pm", "inpo_no_kl", "inpo_rm_no_kl",
            "cyclic_dpo", "cyclic_inpo",
        ]
    ] = Field(
        ["sft", "iterative_dpo_rm", "iterative_dpo_pm", "sppo", "inpo_rm", "inpo_pm", "inpo_no_kl"],
        min_length=1,
        description="Arms to compare; cyclic_dpo and cyclic_inpo need the tiny world's family instruct",
    )  # fmt: skip
    policy: INPO = Field(INPO(), description="The paper's objective")
    dpo: DPO = Field(DPO(), description="Iterative DPO, with the SFT model as the reference in every round")
    sppo: SPPO = Field(SPPO(), description="SPPO")
    judge: JudgeFitting = Field(JudgeFitting(), description="The pairwise preference model (PM)")
    cyclic: CyclicStudy = Field(CyclicStudy(), description="Preferences that go in a circle, for the cyclic arms")

    @model_validator(mode="after")
    def _arms_choose_their_pairs(self) -> Self:
        if self.fresh.choice != BestWorst():
            raise ValueError(
                f"fresh.choice {self.fresh.choice.kind}: arms choose by their oracle, best and worst by rewards and "
                "a tournament by comparisons; leave it at best_worst and choose arms"
            )
        if any(ORACLES.get(name) == "pm" and name != "sppo" for name in self.arms):
            Tournament().require(self.fresh.per_prompt)
        if self.policy.tau_eta_ratio == 0.0 and {"inpo_no_kl", "inpo_rm_no_kl"} & set(self.arms):
            raise ValueError("policy.tau_eta_ratio 0 is what inpo_no_kl and inpo_rm_no_kl are; leave them out of arms")
        return self

    @model_validator(mode="after")
    def _circles_can_be_played(self) -> Self:
        asked = sorted(CYCLIC.keys() & set(self.arms))
        if asked and (self.data.path or self.world.family != "instruct"):
            raise ValueError(
                f"arms: {asked[0]} needs styles that beat each other in a circle, which world.family instruct alone "
                "has; choose it, or leave the arm out"
            )
        wanted = self.cyclic.steps_a_round * self.training.batch_size
        if asked and self.world.policy_prompts < wanted:
            raise ValueError(
                f"world.policy_prompts {self.world.policy_prompts}: a round of {asked[0]} samples from {wanted} prompts"
            )
        return self


class Oracles(NamedTuple):
    """The two models, fitted on the same pairs, that say which response is better."""

    rm: list[Reward]
    pm: list[Reward]


@flow(name="inpo", flow_run_name="inpo-{config.scale}")
def inpo(config: INPOConfig = INPOConfig()) -> Report:
    """Iterative Nash Policy Optimization (arXiv 2407.00617).

    Every arm gets the same SFT model, prompts, number of responses, rounds and steps; arms differ in the objective, in
    who compares the responses, and so in how a pair is chosen. SPPO learns from the best and the worst by their win
    rates against all the others, which takes every comparison. Of iterative DPO the reference stays the SFT model.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("inpo", config, tags, f"inpo-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("inpo", pending), claims_of(config), suites_of(config))


def suites_of(config: INPOConfig) -> list[str]:
    """The suites that this configuration scores."""
    return [GOLD, *([STYLES] if CYCLIC.keys() & set(config.arms) else []), *config.benchmarks.suites]


def compare_arms(config: INPOConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed; all are measured by the common reward model."""
    asked = {ORACLES[name] for name in config.arms if name in ORACLES}
    oracles = Oracles(fit_rewards(config, shared), [fit_judge(config, shared, config.judge)] if "pm" in asked else [])
    prompts = prompts_for(config, shared)
    trained = {
        name: train_in_rounds(config, shared, prompts, name, one, config.rounds).series
        for name, one in arms_of(config, oracles).items()
    }
    cyclic = train_cyclic(config, config.cyclic, shared, policy_prompts(config, shared), config.arms)
    return [
        *measure_start(config, shared, oracles.rm),
        *(score for name, series in trained.items() for score in measure_arm(config, shared, name, series, oracles.rm)),
        *(measure_cyclic(config, config.cyclic, shared, name, series) for name, series in cyclic.items()),
    ]


def arms_of(config: INPOConfig, oracles: Oracles) -> dict[str, OnlineArm]:
    """The arms that were asked for."""
    return {
        name: arm_of(config, objective, ORACLES[name], oracles, ranked=name == "sppo")
        for name, objective in objectives_of(config).items()
        if name in config.arms
    }


def objectives_of(config: INPOConfig) -> dict[str, Objective]:
    """Every arm's objective."""
    free = config.policy.model_copy(update={"tau_eta_ratio": 0.0})
    return {
        "iterative_dpo_rm": config.dpo,
        "iterative_dpo_pm": config.dpo,
        "sppo": config.sppo,
        "inpo_rm": config.policy,
        "inpo_pm": config.policy,
        "inpo_no_kl": free,
        "inpo_rm_no_kl": free,
    }


def arm_of(config: INPOConfig, objective: Objective, oracle: Oracle, oracles: Oracles, ranked: bool) -> OnlineArm:
    """One arm; ``ranked``: its pairs are best and worst by win rates and not of a tournament."""
    labeller: Labeller = RewardLabels(source=FittedReward()) if oracle == "rm" else PairwiseLabels()
    choice: PairChoice = BestWorst() if oracle == "rm" or ranked else Tournament()
    fresh = config.fresh.model_copy(update={"choice": choice})
    return OnlineArm(objective, labeller, getattr(oracles, oracle), fresh, config.a_round)


def claims_of(config: INPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on its arms; on the true reward in the tiny world alone."""
    if config.data.path:
        claims = claims_on_proxy(config.rounds)
    else:
        claims = (*claims_with_gold(config.rounds), *claims_on_circles(config.cyclic.rounds))
    return claims_on_arms(claims, {"sft", *config.arms})


PAPER = Paper(
    key="inpo",
    title="Iterative Nash Policy Optimization: Aligning LLMs with General Preferences via No-Regret Learning",
    arxiv="2407.00617",
    family="preference",
    summary=(
        "Alignment to preferences that no reward need explain is a game between two policies. Online mirror descent in "
        "self-play finds its Nash policy: each round a squared loss on pairs of the policy's own responses makes the "
        "next policy beat the current one and stay near both it and the SFT model."
    ),
    flow="flows.preference.inpo:inpo",
    config=INPOConfig,
    arms={**ARMS, **CYCLIC},
    claims=claims_of(INPOConfig()),
    minutes={"smoke": 0.8, "laptop": 22.0, "gpu": 3600.0},
)
