"""MA-RLHF (arXiv 2410.02743): configuration and flow."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from prefect import flow
from pydantic import Field, model_validator

from flows.claims_asked import claims_on_arms
from flows.matched import Shared, policy_prompts, share_inputs
from flows.paper import Paper
from flows.reinforcement.ma_rlhf_claims import ARMS, MACRO, RULES, TOKEN, claims_on_proxy, claims_with_gold
from flows.reinforcement.matched import (
    GOLD,
    PolicyArm,
    RewardedConfig,
    RewardFitting,
    Series,
    measure_policy,
    measure_start,
    reward_of,
    train_policies,
)
from flows.report import Report, publish
from flows.temperatures import measure_curve
from tasks.engine.session import paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.settings import Evaluation
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.steps.advantages import GeneralisedAdvantage
from tasks.policy.steps.clipped_policy import ClippedSurrogate
from tasks.policy.steps.kl_control import FixedKL
from tasks.policy.steps.macro_actions import MacroPooling
from tasks.policy.steps.score_adjustments import ScoreClip
from tasks.policy.steps.termination_rules import (
    FixedNGram,
    MacroActions,
    ParseRule,
    PerplexityRule,
    RandomNGram,
    TokenActions,
    WholeResponse,
)
from tasks.reward.objectives.token_bradley_terry import TokenBradleyTerry

VANILLA = PolicyGradient(
    score_clip=ScoreClip(limit=2.5),
    kl=FixedKL(coefficient=0.05),
    advantage=GeneralisedAdvantage(discount=1.0, gae_lambda=0.95, whiten="none"),
)
"""The paper's PPO: one reply a prompt, clipped scores, a KL penalty at every token, advantages as they are."""


class MARLHFConfig(RewardedConfig):
    """Everything that a run of the comparison of action lengths depends on."""

    arms: list[
        Literal[
            "sft", "ppo", "ppo_lambda_0.99", "ppo_lambda_1", "ma_3", "ma_5", "ma_10", "ma_inf", "ma_random", "ma_parse",
            "ma_perplexity", "ma_5_last", "ma_5_position", "ma_5_joint", "ma_5_code",
        ]
    ] = Field(
        ["sft", "ppo", "ppo_lambda_1", "ma_3", "ma_5", "ma_10", "ma_inf", "ma_random", "ma_parse", "ma_perplexity"],
        min_length=1,
        description="Arms to compare",
    )  # fmt: skip
    method: PolicyGradient = Field(VANILLA, description="Token-level PPO; an arm changes what an action is")
    reward: RewardFitting = Field(
        RewardFitting(objective=TokenBradleyTerry()), description="The reward model; it may start the value model too"
    )
    random_ngram: RandomNGram = Field(RandomNGram(), description="Actions of the arm ma_random")
    parse: ParseRule = Field(ParseRule(), description="Actions of the arm ma_parse; English wants a CoreNLP server")
    training: ReinforcementTraining = Field(
        ReinforcementTraining(snapshots=10), description="Budget of every arm; snapshots are points of its curve"
    )
    evaluation: Evaluation = Field(
        Evaluation(temperatures=[0.5]),
        description="What every arm is measured by; further temperatures are those of PPO and MA-PPO",
    )

    @model_validator(mode="after")
    def _arms_change_a_ppo_of_tokens(self) -> Self:
        method = self.method
        if not isinstance(method.advantage, GeneralisedAdvantage):
            raise ValueError(
                f"method.advantage.kind {method.advantage.kind}: arms differ in lambda, which gae alone has"
            )
        if not isinstance(method.policy_loss, ClippedSurrogate):
            raise ValueError(
                f"method.policy_loss.kind {method.policy_loss.kind}: arms differ in the ratio that is clipped, which "
                "clipped_surrogate alone has"
            )
        if not isinstance(method.actions, TokenActions):
            raise ValueError(
                f"method.actions.kind {method.actions.kind}: the arms set what an action is; leave it at token"
            )
        return self

    @model_validator(mode="after")
    def _can_be_parsed(self) -> Self:
        if self.data.path and "ma_parse" in self.arms and self.parse.parser.kind == "tiny_world":
            raise ValueError(
                "arm ma_parse: the tiny world's grammar cannot parse real text; set parse.parser.kind=corenlp (and "
                "parse.parser.url), or leave the arm out"
            )
        return self


@flow(name="ma_rlhf", flow_run_name="ma_rlhf-{config.scale}")
def ma_rlhf(config: MARLHFConfig = MARLHFConfig()) -> Report:
    """MA-RLHF: Reinforcement Learning from Human Feedback with Macro Actions (arXiv 2410.02743).

    Every arm gets the same SFT model, reward model, prompts, rollouts and updates; only what an action is differs.
    """
    check_parser(config)
    scenario = config.data.path or config.world.family
    tags = {"family": "reinforcement", "scale": config.scale, "scenario": scenario}
    with paper_run("ma_rlhf", config, tags, f"ma_rlhf-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("ma_rlhf", pending), claims_of(config), [GOLD, *config.benchmarks.suites])


def check_parser(config: MARLHFConfig) -> None:
    """Raise UserError, before anything is computed, if an arm wants a parser that does not answer."""
    if "ma_parse" in config.arms:
        config.parse.parser.trees(["hello"])


def compare_arms(config: MARLHFConfig, shared: Shared) -> list[Pending]:
    """Fit the reward model, train and measure every arm of one seed."""
    source, fitted = reward_of(config, shared)
    arms = {name: PolicyArm(method, fitted, source) for name, method in methods_of(config).items()}
    trained = train_policies(config, shared, policy_prompts(config, shared), arms)
    return [
        *measure_start(config, shared, fitted, source),
        *(
            scores
            for name, series in trained.items()
            for scores in measure_policy(config, shared, name, series, source, fitted)
        ),
        *measure_curves(config, shared, trained),
    ]


def methods_of(config: MARLHFConfig) -> dict[str, PolicyGradient]:
    """The trained arms that were asked for: PPO of tokens, with one step replaced."""
    return {name: method for name, method in every_method(config).items() if name in config.arms}


def every_method(config: MARLHFConfig) -> dict[str, PolicyGradient]:
    """All trained arms."""
    vanilla, five = config.method, FixedNGram(length=5)

    def macro(actions: MacroActions, **steps: Any) -> PolicyGradient:
        return vanilla.model_copy(update={"actions": actions, **steps})

    def decaying(gae_lambda: float) -> PolicyGradient:
        advantage = vanilla.advantage.model_copy(update={"gae_lambda": gae_lambda})
        return vanilla.model_copy(update={"advantage": advantage})

    def pooled(**pooling: str) -> MacroPooling:
        return vanilla.pooling.model_copy(update=pooling)

    return {
        "ppo": vanilla,
        "ppo_lambda_0.99": decaying(0.99),
        "ppo_lambda_1": decaying(1.0),
        "ma_3": macro(FixedNGram(length=3)),
        "ma_5": macro(five),
        "ma_10": macro(FixedNGram(length=10)),
        "ma_inf": macro(WholeResponse()),
        "ma_random": macro(config.random_ngram),
        "ma_parse": macro(config.parse),
        "ma_perplexity": macro(PerplexityRule()),
        "ma_5_last": macro(five, pooling=pooled(values="last")),
        "ma_5_position": macro(five, pooling=pooled(values="position")),
        "ma_5_joint": macro(five, policy_loss=vanilla.policy_loss.model_copy(update={"ratio": "macro"})),
        "ma_5_code": macro(FixedNGram(length=5, released_code=True), pooling=pooled(rewards="mean")),
    }


def measure_curves(config: MARLHFConfig, shared: Shared, trained: Mapping[str, Series]) -> list[Pending]:
    """PPO and MA-PPO at further sampling temperatures, by the true reward."""
    compared = [name for name in (TOKEN, MACRO) if name in trained]
    return [scores for name in compared for scores in measure_curve(config, shared, name, trained[name], GOLD)]


def claims_of(config: MARLHFConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on its arms; on the true reward in the tiny world alone."""
    snapshots, rules = config.training.snapshots, [name for name in RULES if name in config.arms]
    if config.data.path:
        claims = claims_on_proxy(snapshots, rules)
    else:
        claims = claims_with_gold(snapshots, rules, config.evaluation.temperatures)
    return claims_on_arms(claims, {"sft", *config.arms})


PAPER = Paper(
    key="ma_rlhf",
    title="MA-RLHF: Reinforcement Learning from Human Feedback with Macro Actions",
    arxiv="2410.02743",
    family="reinforcement",
    summary=(
        "PPO of tokens must spread one reward at the end over hundreds of decisions. MA-PPO groups consecutive tokens "
        "into macro actions on which rewards, values and advantages live: fewer, longer steps lie between a decision "
        "and its reward, and the policy itself stays one of tokens."
    ),
    flow="flows.reinforcement.ma_rlhf:ma_rlhf",
    config=MARLHFConfig,
    arms=ARMS,
    claims=claims_of(MARLHFConfig()),
    minutes={"smoke": 1.0, "laptop": 25.0, "gpu": 2000.0},
)
