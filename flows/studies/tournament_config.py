"""Everything that a tournament of methods depends on."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from flows.preference.online import OnlineConfig
from flows.tuning import Tuning, require_validation_prompts
from tasks.engine.schema import Frozen
from tasks.evaluation.settings import Evaluation
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.bo2 import Bo2
from tasks.policy.objectives.conservative_dpo import ConservativeDPO
from tasks.policy.objectives.cpo import CPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.kto import KTO
from tasks.policy.objectives.length_normalised_dpo import LengthNormalisedDPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO
from tasks.policy.objectives.orpo import ORPO
from tasks.policy.objectives.rrhf import RRHF
from tasks.policy.objectives.simpo import SimPO
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.steps.kl_control import FixedKL

Offline = Literal["dpo", "cdpo", "ipo", "slic", "kto", "simpo", "ln_dpo", "r_dpo", "cpo", "orpo", "rrhf", "bo2"]
Online = Literal["online_dpo", "online_ipo", "online_simpo", "iterative_dpo"]
Gradient = Literal["ppo", "rloo", "grpo"]
Method = Literal[Offline, Online, Gradient, "preferred_ft", "raft", "best_of_n"]
OFFLINE, ONLINE, GRADIENT = get_args(Offline), get_args(Online), get_args(Gradient)
TUNABLE = frozenset({*OFFLINE, *ONLINE, *GRADIENT, "preferred_ft", "raft"})
"""Methods with a learning rate, and most with a strength, to tune: all but best-of-n, which trains nothing."""


class Objectives(Frozen):
    """Losses by the name of their method; online methods share those of their offline twins."""

    dpo: DPO = Field(DPO(), description="DPO, online and in rounds too")
    cdpo: ConservativeDPO = Field(ConservativeDPO(), description="Conservative DPO")
    ipo: IPO = Field(IPO(), description="IPO, online too")
    slic: SLiCHinge = Field(SLiCHinge(), description="SLiC hinge")
    kto: KTO = Field(KTO(), description="KTO on pairs")
    simpo: SimPO = Field(SimPO(), description="SimPO, online too")
    ln_dpo: LengthNormalisedDPO = Field(LengthNormalisedDPO(), description="Length-normalised DPO")
    r_dpo: LengthRegularisedDPO = Field(LengthRegularisedDPO(), description="Length-regularised DPO")
    cpo: CPO = Field(CPO(), description="CPO")
    orpo: ORPO = Field(ORPO(), description="ORPO")
    rrhf: RRHF = Field(RRHF(), description="RRHF")
    bo2: Bo2 = Field(Bo2(), description="Likelihood of the preferred response")


class TournamentConfig(OnlineConfig):
    """Which methods meet, in which scenario, within which budget.

    Every method takes ``training.max_steps`` optimiser steps on ``training.batch_size`` pairs, policy gradients as many
    iterations on twice as many responses. Real pairs are gone through ``training.epochs`` times at most: too few of
    them make the steps of offline methods fewer. What labels or rewards responses of the policy is a reward model
    fitted on the pairs that the other methods learn from.
    """

    methods: list[Method] = Field(
        ["preferred_ft", "dpo", "ipo", "simpo", "online_dpo", "iterative_dpo", "ppo", "rloo", "best_of_n"],
        min_length=1,
        description="Methods that meet; the SFT model always takes part",
    )
    objectives: Objectives = Field(Objectives(), description="Losses of the preference methods")
    rounds: int = Field(3, ge=1, le=100, description="Rounds of iterative_dpo, which share its steps")
    round_responses: int = Field(8, ge=2, le=256, description="Responses a prompt in rounds, best against worst")
    gradient: PolicyGradient = Field(
        PolicyGradient(per_prompt=4, kl=FixedKL(coefficient=0.05), value=ValueModel(start="reward")),
        description="What policy-gradient methods do alike; rloo and grpo have no value model",
    )
    reinforcement: ReinforcementTraining = Field(
        ReinforcementTraining(),
        description="Optimiser and sampling of policy gradients, within the common budget",
    )
    preferred_ft: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=3e-4, batch_size=32), description="Preferred-FT and raft"
    )
    labels: Literal["reward_model", "gold"] = Field(
        "reward_model",
        description="What judges responses of the policy: a reward model on the common pairs, or the tiny world's true "
        "reward, which gives online methods more information than offline ones",
    )
    tuning: Tuning = Field(Tuning(), description="Equal-budget search of every method's settings, before they meet")
    fresh: FreshPairs = Field(FreshPairs(), description="How online methods draw their pairs")
    training: PreferenceTraining = Field(PreferenceTraining(max_steps=100), description="The common budget")
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every method is measured by")

    @model_validator(mode="after")
    def _methods_can_meet(self) -> Self:
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods {self.methods} has one twice")
        if not self.training.max_steps:
            raise ValueError("training.max_steps 0: the common budget is counted in steps; give it some")
        if self.labels == "gold" and self.data.path:
            raise ValueError("labels gold: real data has no true reward; take reward_model")
        if 2 * self.training.batch_size % self.gradient.per_prompt:
            raise ValueError(
                f"training.batch_size {self.training.batch_size}: twice as many responses are not a multiple of "
                f"gradient.per_prompt {self.gradient.per_prompt}"
            )
        require_validation_prompts(self.tuning, self.data, self.evaluation)
        return self

    @model_validator(mode="after")
    def _gradients_can_be_trained(self) -> Self:
        if self.labels == "gold" and "ppo" in self.methods and self.gradient.value.start == "reward":
            raise ValueError("gradient.value.start reward: labels gold fits no reward model; start it from policy")
        if self.tuning.trials and self.gradient.kl.coefficient == 0.0 and set(self.methods) & set(GRADIENT):
            raise ValueError(
                "gradient.kl.coefficient 0: its search is around its own value; give it some, or tuning.trials 0"
            )
        return self
