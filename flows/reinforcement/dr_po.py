"""DR-PO (arXiv 2404.08495): configuration and flow."""

from typing import Literal, Self

from prefect import flow
from pydantic import Field, model_validator

from flows.claims_asked import claims_on_arms
from flows.matched import Rows, Shared, policy_prompts, share_inputs
from flows.paper import Paper
from flows.preference.matched import with_reference
from flows.reinforcement.dr_po_claims import ARMS, claims_on_proxy, claims_with_gold
from flows.reinforcement.matched import (
    GOLD,
    PolicyArm,
    RewardedConfig,
    Series,
    measure_policy,
    measure_start,
    reward_of,
    train_policies,
)
from flows.report import Report, publish
from flows.temperatures import measure_curve
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.settings import Evaluation
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.stages import optimise_preferences
from tasks.policy.steps.advantages import GeneralisedAdvantage
from tasks.policy.steps.kl_control import FixedKL
from tasks.policy.steps.score_adjustments import MissingEos
from tasks.policy.steps.starts import DatasetReset, FromPrompt, PolicyRollIn, StartStates

STARTS: dict[str, StartStates] = {
    "ppo": FromPrompt(),
    "dr_po_0.25": DatasetReset(share=0.25),
    "dr_po_0.5": DatasetReset(share=0.5),
    "dr_po_0.75": DatasetReset(share=0.75),
    "dr_po": DatasetReset(share=1.0),
    "dr_po_with_first_token": DatasetReset(share=1.0, include_prompt=True),
    "ppo_plus_plus": PolicyRollIn(share=1.0),
}
"""Where the rollouts of each arm begin; nothing else differs between them."""
WHITENED = {"ppo_whitened": "ppo", "dr_po_whitened": "dr_po"}
"""Arms with the released code's whitening of token rewards, which it has on by default."""


class DRPOConfig(RewardedConfig):
    """Everything that a run of the DR-PO comparison depends on."""

    arms: list[
        Literal[
            "sft", "dpo", "ppo", "dr_po_0.25", "dr_po_0.5", "dr_po_0.75", "dr_po", "dr_po_with_first_token",
            "ppo_plus_plus", "ppo_whitened", "dr_po_whitened",
        ]
    ] = Field(
        ["sft", "dpo", "ppo", "dr_po_0.25", "dr_po_0.5", "dr_po_0.75", "dr_po", "ppo_plus_plus", "ppo_whitened",
         "dr_po_whitened"],
        min_length=1,
        description="Arms to compare",
    )  # fmt: skip
    references: Literal["sft", "new"] = Field(
        "sft",
        description="Prompts and references of PPO and DR-PO: SFT's own (paper), or prompts that it has not seen",
    )
    method: PolicyGradient = Field(
        PolicyGradient(
            missing_eos=MissingEos(score=-1.0),
            kl=FixedKL(coefficient=0.05),
            advantage=GeneralisedAdvantage(whiten="all_tokens"),
            value=ValueModel(start="reward", coefficient=0.1),
        ),
        description="What PPO and DR-PO do alike; an arm changes where rollouts start",
    )
    training: ReinforcementTraining = Field(
        ReinforcementTraining(schedule="linear", final_rate=0.0), description="Budget of every policy-gradient arm"
    )
    dpo: DPO = Field(DPO(beta=0.05), description="DPO (paper: beta 0.05)")
    preference: PreferenceTraining = Field(PreferenceTraining(), description="Budget of DPO")
    evaluation: Evaluation = Field(
        Evaluation(temperatures=[0.0]),
        description="What every arm is measured by; win rates near temperature 0, as in the paper",
    )

    @model_validator(mode="after")
    def _arms_can_change_the_method(self) -> Self:
        if self.method.start.kind != "prompt":
            raise ValueError(
                f"method.start {self.method.start.kind}: every arm has a start of its own; leave it at 'prompt' and "
                "choose arms"
            )
        whitened = sorted(WHITENED.keys() & set(self.arms))
        if whitened and self.method.advantage.kind != "gae":
            raise ValueError(
                f"method.advantage {self.method.advantage.kind} has no token rewards to whiten; take 'gae', or leave "
                f"{' and '.join(whitened)} out of arms"
            )
        return self


@flow(name="dr_po", flow_run_name="dr_po-{config.scale}")
def dr_po(config: DRPOConfig = DRPOConfig()) -> Report:
    """Dataset Reset Policy Optimization for RLHF (arXiv 2404.08495).

    Every policy-gradient arm gets the same SFT model, reward model, prompts and number of rollouts and updates; only
    the state in which rollouts start differs. Arms that start inside a response sample fewer tokens, never more: what
    each has sampled is its ``cost/tokens``, what it was given its ``train/forced_tokens``. Two differences to the
    released code: tokens after EOS do not exist here (there they are sampled and trained on), and rewards are whitened
    in arms of their own only.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "reinforcement", "scale": config.scale, "scenario": scenario}
    with paper_run("dr_po", config, tags, f"dr_po-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("dr_po", pending), claims_of(config), [GOLD, *config.benchmarks.suites])


def compare_arms(config: DRPOConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed: one reward, from whose model the critics start too."""
    source, fitted = reward_of(config, shared)
    arms = {name: PolicyArm(method, fitted, source) for name, method in methods_of(config).items()}
    trained = train_policies(config, shared, references_of(config, shared), arms)
    if "dpo" in config.arms:
        trained["dpo"] = train_dpo(config, shared)
    return [
        *measure_start(config, shared, fitted, source),
        *measure_curve(config, shared, "sft", shared.sft, GOLD),
        *(
            score
            for name, series in trained.items()
            for score in (
                *measure_policy(config, shared, name, series, source, fitted),
                *measure_curve(config, shared, name, series, GOLD),
            )
        ),
    ]


def methods_of(config: DRPOConfig) -> dict[str, PolicyGradient]:
    """The policy-gradient arms that were asked for."""
    named = {name: config.method.model_copy(update={"start": start}) for name, start in STARTS.items()}
    whitening = config.method.advantage.model_copy(update={"reward_whitening": True})
    named |= {name: named[base].model_copy(update={"advantage": whitening}) for name, base in WHITENED.items()}
    return {name: method for name, method in named.items() if name in config.arms}


def references_of(config: DRPOConfig, shared: Shared) -> Rows:
    """Prompts with the responses that rollouts may start in; of real data always SFT's own."""
    return shared.demonstrations if config.references == "sft" else policy_prompts(config, shared)


def train_dpo(config: DRPOConfig, shared: Shared) -> Series:
    """DPO on the reward model's pairs."""
    matched = with_reference(config, shared)
    with arm("dpo", shared.seed):
        return optimise_preferences.submit(
            shared.sft, shared.pairs, matched.reference, config.dpo, config.preference, config.model, shared.seed
        )


def claims_of(config: DRPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on its arms; on the true reward in the tiny world alone."""
    snapshots = config.training.snapshots
    if config.data.path:
        claims = claims_on_proxy(snapshots)
    else:
        greedy = 0.0 in config.evaluation.temperatures
        claims = claims_with_gold(snapshots, config.preference.snapshots, greedy)
    return claims_on_arms(claims, {"sft", *config.arms})


PAPER = Paper(
    key="dr_po",
    title="Dataset Reset Policy Optimization for RLHF",
    arxiv="2404.08495",
    family="reinforcement",
    summary=(
        "A language model can be put back into any state of a text for free. DR-PO starts rollouts of PPO inside "
        "responses of the offline data, at a random token, and trains on what the policy writes from there."
    ),
    flow="flows.reinforcement.dr_po:dr_po",
    config=DRPOConfig,
    arms=ARMS,
    claims=claims_of(DRPOConfig()),
    minutes={"smoke": 0.7, "laptop": 14.0, "gpu": 2400.0},
)
