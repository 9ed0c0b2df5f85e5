"""Everything that a tournament of methods depends on."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from flows.preference.online import OnlineConfig
from flows.preference.rounds import JudgeFitting
from flows.tuning import Tuning, require_validation_prompts
from tasks.engine.schema import Frozen
from tasks.evaluation.settings import Evaluation
from tasks.policy.advantage_leftover.settings import ValueFitting
from tasks.policy.fresh.choices import RankedPairs
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.a_lol import ALoL
from tasks.policy.objectives.bo2 import Bo2
from tasks.policy.objectives.brain import BRAIn
from tasks.policy.objectives.conservative_dpo import ConservativeDPO
from tasks.policy.objectives.cpo import CPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.kto import KTO
from tasks.policy.objectives.length_normalised_dpo import LengthNormalisedDPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO
from tasks.policy.objectives.orpo import ORPO
from tasks.policy.objectives.rrhf import RRHF
from tasks.policy.objectives.simpo import SimPO
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.objectives.spce import SPCE
from tasks.policy.objectives.sppo import SPPO
from tasks.policy.objectives.superhf import SuperHF
from tasks.policy.objectives.vpo import VPO
from tasks.policy.objectives.xpo import XPO
from tasks.policy.optimisation import PreferenceTraining, SupervisedTraining
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.steps.filters import RankWeights
from tasks.policy.steps.kl_control import FixedKL
from tasks.policy.steps.shaping_curves import PreferenceAsReward
from tasks.policy.steps.starts import DatasetReset
from tasks.policy.steps.termination_rules import FixedNGram

Offline = Literal["dpo", "cdpo", "ipo", "slic", "kto", "simpo", "ln_dpo", "r_dpo", "cpo", "orpo", "rrhf", "bo2", "vpo"]
Online = Literal[
    "online_dpo", "online_ipo", "online_simpo", "online_vpo", "xpo", "osp", "brain", "iterative_dpo", "inpo", "sppo"
]
Gradient = Literal["ppo", "rloo", "grpo", "par", "pf_ppo", "ma_ppo", "dr_po"]
Likelihood = Literal["preferred_ft", "a_lol", "raft", "superhf"]
Method = Literal[Offline, Online, Gradient, Likelihood, "best_of_n"]
OFFLINE, ONLINE, GRADIENT, LIKELIHOOD = (get_args(kind) for kind in (Offline, Online, Gradient, Likelihood))
ROUNDS = ("iterative_dpo", "inpo", "sppo")
"""Online methods that draw all pairs of a round at its beginning, and go on from where the last one ended."""
TUNABLE = frozenset({*OFFLINE, *ONLINE, *GRADIENT, *LIKELIHOOD})
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
    vpo: VPO = Field(VPO(sign="pessimistic"), description="VPO on the fixed pairs")
    online_vpo: VPO = Field(VPO(alpha=0.01), description="VPO on fresh pairs (0.01 as in the paper's own flow)")
    xpo: XPO = Field(XPO(), description="XPO")
    osp: SPCE = Field(SPCE(), description="OSP: DPO on soft labels")
    brain: BRAIn = Field(BRAIn(), description="BRAIn; its reward temperature is chosen on SFT samples")
    inpo: INPO = Field(INPO(), description="INPO")
    sppo: SPPO = Field(SPPO(), description="SPPO")
    a_lol: ALoL = Field(ALoL(), description="A-LoL")
    superhf: SuperHF = Field(
        SuperHF(kl_over_examples="mean", kl_weight=0.7),
        description="SuperHF; 0.7 times the mean KL weighs as much as the paper's 0.35 times a minibatch's sum",
    )


class Variants(Frozen):
    """The one step of PPO that each of its variants changes."""

    par: PreferenceAsReward = Field(PreferenceAsReward(), description="What PAR makes of a score")
    pf_ppo: RankWeights = Field(RankWeights(), description="Which responses of a prompt PF-PPO learns from")
    ma_ppo: FixedNGram = Field(FixedNGram(), description="What an action of MA-PPO is")
    dr_po: DatasetReset = Field(DatasetReset(), description="Where rollouts of DR-PO start")


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
    round_responses: int = Field(
        8,
        ge=2,
        le=256,
        description="Responses a prompt where the best of several counts: in rounds, osp, brain, raft and superhf",
    )
    judge: JudgeFitting = Field(JudgeFitting(), description="The pairwise judge of osp, fitted on the common pairs")
    effective_share: float = Field(
        1.0 / 3.0, ge=0.01, le=1.0, description="Share of a prompt's SFT samples that counts for brain's temperature"
    )
    value: ValueFitting = Field(ValueFitting(), description="The value of the SFT model, for a_lol")
    variants: Variants = Field(Variants(), description="What par, pf_ppo, ma_ppo and dr_po change of PPO")
    gradient: PolicyGradient = Field(
        PolicyGradient(per_prompt=4, kl=FixedKL(coefficient=0.05), value=ValueModel(start="reward")),
        description="What policy-gradient methods do alike; rloo and grpo have no value model",
    )
    reinforcement: ReinforcementTraining = Field(
        ReinforcementTraining(),
        description="Optimiser and sampling of policy gradients, within the common budget",
    )
    preferred_ft: SupervisedTraining = Field(
        SupervisedTraining(learning_rate=3e-4, batch_size=32),
        description="Optimiser of preferred_ft, a_lol, raft and superhf, within the common budget",
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
    def _groups_fill_the_budget(self) -> Self:
        responses = 2 * self.training.batch_size
        if "brain" in self.methods and responses % self.round_responses:
            raise ValueError(
                f"round_responses {self.round_responses}: brain takes whole groups, which must make up the {responses} "
                "responses of a step (twice training.batch_size)"
            )
        if "osp" in self.methods:
            RankedPairs().require(self.round_responses)
        wanted = self.training.max_steps * self.training.batch_size
        if "superhf" in self.methods and not self.data.path and self.world.policy_prompts < wanted:
            raise ValueError(f"world.policy_prompts {self.world.policy_prompts}: superhf takes {wanted}, each once")
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
