"""SuperHF (arXiv 2310.16763): configuration and flow.

Left out: the Instruct and FeedME starts (every arm here starts from one SFT model) and the downstream suites, which
``benchmarks`` runs where they are asked for.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from prefect import flow
from pydantic import Field, model_validator

from flows.matched import MatchedConfig, Rows, Shared, benchmark, policy_prompts, share_inputs
from flows.paper import Paper
from flows.preference.dpo_ppo import PPOComparison, as_reinforcement, sample_n
from flows.preference.superhf_claims import ARMS, claims_on
from flows.reinforcement.matched import GOLD, PolicyArm, Reward, Series, fit_members, train_policies
from flows.report import Report, publish
from tasks.data.half_stages import take_half
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.opinion_settings import Opinion
from tasks.evaluation.opinion_stages import measure_chosen, measure_opinions
from tasks.evaluation.settings import Evaluation
from tasks.evaluation.stages import choose_best_by_reward, measure_demonstrations
from tasks.policy.policy_gradient import ReinforcementTraining
from tasks.policy.superhf_settings import SuperHFMethod, SuperHFTraining
from tasks.policy.superhf_stages import optimise_superhf
from tasks.reward.sources import FittedReward

OPINIONS = [Opinion(metric="proxy_reward"), Opinion(metric="test_reward")]
"""What every arm is measured by: the reward model of training, and the one that training never sees."""


class SuperHFConfig(MatchedConfig):
    """Everything that a run of the SuperHF comparison depends on."""

    arms: list[Literal["sft", "superhf", "rft", "best_of_n", "ppo", "ppo_equal_samples"]] = Field(
        ["sft", "superhf", "rft", "best_of_n", "ppo", "ppo_equal_samples"], min_length=1, description="Arms to compare"
    )
    method: SuperHFMethod = Field(SuperHFMethod(), description="SuperHF; a sweep's arms change one of its numbers")
    training: SuperHFTraining = Field(SuperHFTraining(prompts=1600), description="Budget of every SuperHF arm")
    sweep_weights: list[Annotated[float, Field(ge=0.0, le=1000.0)]] = Field(
        [0.0, 0.05, 0.2], max_length=20, description="Further weights of the KL prior (paper: 0 to 0.5)"
    )
    sweep_superbatches: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [1, 4, 64], max_length=20, description="Further numbers of completions a prompt (paper: 1 to 128)"
    )
    sweep_groups: list[Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        [1, 8], max_length=20, description="Further numbers of prompts a group (paper: 1 to 128 and all, which is rft)"
    )
    ppo: PPOComparison = Field(PPOComparison(), description="PPO; its reward model is that of every arm")
    evaluation: Evaluation = Field(
        Evaluation(temperatures=[]), description="What every arm is measured by: sampled, as in training (paper)"
    )

    @property
    def sweeps(self) -> dict[str, dict[str, SuperHFMethod]]:
        """Sweep → its arms by rising value, the paper's own among them."""
        plain = self.method
        weights = sorted({plain.objective.kl_weight, *self.sweep_weights})
        superbatches = sorted({plain.superbatch, *self.sweep_superbatches})
        groups = sorted({plain.prompts_a_group, *self.sweep_groups} - {0})
        made: dict[str, dict[str, dict[str, Any]]] = {
            "weights": {
                f"superhf-kl-{value:g}": {"objective": plain.objective.model_copy(update={"kl_weight": value})}
                for value in weights
            },
            "superbatches": {f"superhf-s-{value}": {"superbatch": value} for value in superbatches},
            "groups": {f"superhf-p-{value}": {"prompts_a_group": value} for value in groups},
        }
        return {
            sweep: {
                "superhf" if (method := plain.model_copy(update=update)) == plain else name: method
                for name, update in arms.items()
            }
            for sweep, arms in made.items()
        }

    @property
    def methods(self) -> dict[str, SuperHFMethod]:
        """The SuperHF arms that are asked for; sweeps go with the paper's own."""
        found = {"superhf": self.method, **{name: one for arms in self.sweeps.values() for name, one in arms.items()}}
        single = {"rft": self.method.model_copy(update={"prompts_a_group": 0})}
        return (found if "superhf" in self.arms else {}) | (single if "rft" in self.arms else {})

    @model_validator(mode="after")
    def _prompts_are_enough(self) -> Self:
        if not self.data.path and self.training.prompts > self.world.policy_prompts:
            raise ValueError(
                f"training.prompts {self.training.prompts} are taken once each and world.policy_prompts draws "
                f"{self.world.policy_prompts}; lower the one or raise the other"
            )
        return self

    @model_validator(mode="after")
    def _sweeps_can_choose(self) -> Self:
        least = min(self.sweep_superbatches, default=self.method.superbatch)
        if least < self.method.kept:
            raise ValueError(f"sweep_superbatches {least} is less than method.kept {self.method.kept}; raise it")
        return self


@dataclass(frozen=True)
class Inputs:
    """References that all arms of one seed are given."""

    shared: Shared
    prompts: Rows
    fitted: list[Reward]
    """RM_train: what arms maximise and best-of-n chooses by."""
    judging: list[Reward]
    """RM_test, fitted on the pairs of other prompts."""

    @property
    def seed(self) -> int:
        """The seed of every stage."""
        return self.shared.seed


@flow(name="superhf", flow_run_name="superhf-{config.scale}")
def superhf(config: SuperHFConfig = SuperHFConfig()) -> Report:
    """SuperHF: Supervised Iterative Learning from Human Feedback (arXiv 2310.16763).

    Every arm gets the same SFT model, reward model and prompts. SuperHF samples S completions a prompt, PPO has a
    budget of its own (paper: one a prompt) and ``ppo_equal_samples`` samples as many in all. Arms are measured by a
    reward model that was fitted on other pairs, and by the true reward where it is known. The published code's shifts
    and masks are mended: see the objective.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("superhf", config, tags, f"superhf-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("superhf", pending), claims_of(config), [GOLD, *config.benchmarks.suites])


def compare_arms(config: SuperHFConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed: reward models on halves of the pairs come first."""
    inputs = prepare(config, shared)
    trained: dict[str, Any] = {
        "sft": shared.sft,
        **{name: train_superhf(config, inputs, name, method) for name, method in config.methods.items()},
        **train_ppo(config, inputs),
    }
    with arm("demonstrations", shared.seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        Pending("demonstrations", shared.seed, GOLD, demonstrated),
        *(scores for name, policy in trained.items() for scores in measure(config, inputs, name, policy)),
        *(decode_best_of_n(config, inputs) if "best_of_n" in config.arms else []),
    ]


def prepare(config: SuperHFConfig, shared: Shared) -> Inputs:
    """Pairs in halves → a reward model each."""
    settings = as_reinforcement(config, config.ppo)
    with arm("reward", shared.seed):
        train, test = take_half.submit(shared.pairs, "train"), take_half.submit(shared.pairs, "test")
    return Inputs(
        shared,
        policy_prompts(config, shared),
        fit_members(settings, shared, pairs=train),
        fit_members(settings, shared, pairs=test, name="test_reward"),
    )


def train_superhf(config: SuperHFConfig, inputs: Inputs, name: str, method: SuperHFMethod) -> Series:
    """One SuperHF run from the SFT model, which is also the prior."""
    shared = inputs.shared
    with arm(name, inputs.seed, mode="online"):
        return optimise_superhf.submit(
            shared.sft,
            shared.sft,
            inputs.prompts,
            FittedReward(),
            inputs.fitted,
            method,
            config.training,
            config.model,
            inputs.seed,
        )


def train_ppo(config: SuperHFConfig, inputs: Inputs) -> dict[str, Series]:
    """PPO on RM_train with the budget of its own, and with as many completions as SuperHF draws."""
    settings = as_reinforcement(config, config.ppo)
    budgets = {"ppo": config.ppo.training, "ppo_equal_samples": equal_samples(config)}
    arms: dict[str, PolicyArm] = {
        name: PolicyArm(settings.method, inputs.fitted, training=training)
        for name, training in budgets.items()
        if name in config.arms
    }
    return train_policies(settings, inputs.shared, inputs.prompts, arms) if arms else {}


def equal_samples(config: SuperHFConfig) -> ReinforcementTraining:
    """PPO's budget with so many iterations that it draws S x prompts completions."""
    drawn = config.method.superbatch * config.training.prompts
    return config.ppo.training.model_copy(update={"iterations": max(1, round(drawn / config.ppo.training.rollouts))})


def measure(config: SuperHFConfig, inputs: Inputs, name: str, policy: Any) -> list[Pending]:
    """A policy, or every checkpoint of a run, by both reward models, gold reward, KL and likeness of responses."""
    shared, settings = inputs.shared, config.evaluation
    with arm(name, inputs.seed):
        scores = measure_opinions.submit(
            policy,
            shared.sft,
            shared.evaluation,
            settings.decoding,
            settings.temperatures,
            OPINIONS,
            [*inputs.fitted, *inputs.judging],
            config.model,
            inputs.seed,
        )
    return [
        Pending(name, inputs.seed, GOLD, scores, policy),
        *(benchmark(config, shared, name, policy) if name in ARMS else []),
    ]


def decode_best_of_n(config: SuperHFConfig, inputs: Inputs) -> list[Pending]:
    """Of n responses of the SFT model the one that RM_train prefers; no policy is trained for it."""
    with arm("best_of_n", inputs.seed):
        samples = sample_n(config, inputs.shared)
        chosen = choose_best_by_reward.submit(samples, FittedReward(), inputs.fitted, config.model)
        scores = measure_chosen.submit(chosen, OPINIONS, [*inputs.fitted, *inputs.judging], config.model, inputs.seed)
    return [Pending("best_of_n", inputs.seed, GOLD, scores)]


def claims_of(config: SuperHFConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle; those on the true reward need the tiny world."""
    sweeps = {sweep: list(arms) for sweep, arms in config.sweeps.items()}
    arms = {*config.arms, *config.methods, "sft"}
    return claims_on(arms, len(config.seeds), gold=not config.data.path, **sweeps)


PAPER = Paper(
    key="superhf",
    title="SuperHF: Supervised Iterative Learning from Human Feedback",
    arxiv="2310.16763",
    family="preference",
    summary=(
        "The best of several completions by the current policy is fitted like a demonstration, with a KL penalty that "
        "keeps the policy near the initial model, and sampled anew for the next prompts. No value model and no policy "
        "gradient."
    ),
    flow="flows.preference.superhf:superhf",
    config=SuperHFConfig,
    arms=ARMS,
    claims=claims_of(SuperHFConfig(seeds=[0, 1, 2, 3, 4])),
    minutes={"smoke": 0.8, "laptop": 18.0, "gpu": 1800.0},
)
