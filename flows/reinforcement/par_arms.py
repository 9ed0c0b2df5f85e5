"""The arms of PAR (arXiv 2502.18770): what each one is, and which step of the common method it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.policy.steps.advantages import GroupNormalised
from tasks.policy.steps.kl_control import FixedKL
from tasks.policy.steps.running_statistics import ClipToDeviation, MeanStd, MinMax, ScaledVanilla
from tasks.policy.steps.score_adjustments import LengthPenalty
from tasks.policy.steps.shaping import Ceiling, Shaping, Vanilla
from tasks.policy.steps.shaping_curves import (
    Arctan,
    CentredReward,
    FittedPolynomial,
    LogSigmoidCentred,
    PreferenceAsReward,
    Sigmoid,
    SlowGrowthFastConvergence,
    Tanh,
)

if TYPE_CHECKING:
    from flows.reinforcement.par import ParConfig

ArmName = Literal[
    "sft", "vanilla", "scaled_vanilla", "mean_std", "clip", "min_max", "lsc", "centred", "par", "sgfc", "sgfc_k3",
    "par_k2", "par_k3", "sigmoid", "sigmoid_k2", "sigmoid_k3", "tanh", "tanh_uncentred", "arctan", "arctan_uncentred",
    "polynomial", "polynomial_uncentred", "par_m1", "par_m3", "par_m5", "par_m8", "vanilla_kl_0.01", "vanilla_kl_0.02",
    "vanilla_kl_0.05", "vanilla_kl_0.1", "ceiling_low", "ceiling", "ceiling_high", "reg", "odin", "warm", "par_long",
    "min_max_long", "warm_long", "grpo_vanilla", "grpo_min_max", "grpo_lsc", "grpo_par",
]  # fmt: skip

ARMS: dict[str, str] = {
    "sft": "Supervised fine-tuning; where every arm starts, and the reference policy. Always measured",
    "vanilla": "PPO on the reward model's score as it is",
    "scaled_vanilla": "The score over its first batch's deviation: vanilla at PAR's balance of reward and KL (ours)",
    "mean_std": "Meanstd: the score standardised by running statistics",
    "clip": "Clip: the score held within one running deviation of its running mean",
    "min_max": "Minmax: the score as a share of the range seen so far",
    "lsc": "LSC: log sigmoid of the distance from the 85th percentile of the references",
    "centred": "The score less the mean of the references, unbounded",
    "par": "PAR: the probability of beating a reference response, averaged over the references",
    "sgfc": "SgFc: slow growth, fast convergence; PAR's sigmoid moved 3 to the right",
    "sgfc_k3": "SgFc three times as steep, as in the paper's figure",
    "par_k2": "PAR with a sigmoid twice as steep",
    "par_k3": "PAR with a sigmoid three times as steep",
    "sigmoid": "Sigmoid of the score itself: bounded, not centred; PAR without a reference (M = 0)",
    "sigmoid_k2": "Uncentred sigmoid, twice as steep",
    "sigmoid_k3": "Uncentred sigmoid, three times as steep",
    "tanh": "Hyperbolic tangent of the distance from each reference",
    "tanh_uncentred": "Hyperbolic tangent of the score",
    "arctan": "Arc tangent of the distance from each reference",
    "arctan_uncentred": "Arc tangent of the score",
    "polynomial": "Fifth-order fit of the sigmoid, of the distance from each reference",
    "polynomial_uncentred": "Fifth-order fit of the sigmoid, of the score",
    "par_m1": "PAR with one reference a prompt",
    "par_m3": "PAR with three references a prompt",
    "par_m5": "PAR with five references a prompt",
    "par_m8": "PAR with eight references a prompt",
    "vanilla_kl_0.01": "Vanilla with a KL coefficient of 0.01",
    "vanilla_kl_0.02": "Vanilla with a KL coefficient of 0.02",
    "vanilla_kl_0.05": "Vanilla with a KL coefficient of 0.05",
    "vanilla_kl_0.1": "Vanilla with a KL coefficient of 0.1",
    "ceiling_low": "Vanilla with scores above the lowest ceiling counted as the ceiling",
    "ceiling": "The same with the middle ceiling",
    "ceiling_high": "The same with the highest ceiling",
    "reg": "Vanilla on a reward model whose squared scores were penalised",
    "odin": "Vanilla on the quality head of ODIN, without a length penalty",
    "warm": "Vanilla on WARM: the mean of the weights of several reward models",
    "par_long": "PAR, trained twice as long",
    "min_max_long": "Minmax, trained twice as long",
    "warm_long": "WARM, trained twice as long",
    "grpo_vanilla": "GRPO on the score as it is",
    "grpo_min_max": "GRPO on Minmax, an affine map of an iteration's scores: the same advantages",
    "grpo_lsc": "GRPO on LSC",
    "grpo_par": "GRPO on PAR",
}
REFERENCE_COUNTS = {"par_m1": 1, "par_m3": 3, "par_m5": 5, "par_m8": 8}
KL_SWEEP = {f"vanilla_kl_{coefficient:g}": coefficient for coefficient in (0.01, 0.02, 0.05, 0.1)}
UNCENTRED_OF = {
    "par": "sigmoid",
    "par_k2": "sigmoid_k2",
    "par_k3": "sigmoid_k3",
    "tanh": "tanh_uncentred",
    "arctan": "arctan_uncentred",
    "polynomial": "polynomial_uncentred",
}
"""Each centred curve with its uncentred twin."""
CEILINGS = ("ceiling_low", "ceiling", "ceiling_high")
REWARD_SIDE = {"reg": "reg", "odin": "odin", "warm": "warm", "warm_long": "warm"}
"""Arms that differ in their reward model alone, with its name."""
LONG = {"par_long": "par", "min_max_long": "min_max", "warm_long": "warm"}
"""Arms with twice the budget, and whose method they have."""
GRPO = {"grpo_vanilla": "vanilla", "grpo_min_max": "min_max", "grpo_lsc": "lsc", "grpo_par": "par"}
"""Arms trained by GRPO, and whose shaping they have."""


def methods_of(config: ParConfig) -> dict[str, PolicyGradient]:
    """The method of every trained arm: the configuration's own with one step changed."""
    common = config.method.model_copy(update={"shaping": Vanilla()})
    curves = curves_of(config.references, config.steepness, config.ceilings)
    methods = {name: common.model_copy(update={"shaping": curve}) for name, curve in curves.items()}
    methods |= {
        name: common.model_copy(update={"kl": FixedKL(coefficient=coefficient)})
        for name, coefficient in KL_SWEEP.items()
    }
    methods |= {
        "reg": common,
        "warm": common,
        "odin": common.model_copy(update={"length_penalty": LengthPenalty(coefficient=0.0)}),
    }
    methods |= {name: methods[usual] for name, usual in LONG.items()}
    return methods | {name: group_relative(methods[usual], config.grpo_responses) for name, usual in GRPO.items()}


def curves_of(references: int, steepness: float, ceilings: Sequence[float]) -> dict[str, Shaping]:
    """Every shaping function by its arm. ``steepness`` is that of the arms without a factor in their name."""
    once, twice, thrice = steepness, 2.0 * steepness, 3.0 * steepness
    return {
        "vanilla": Vanilla(),
        "scaled_vanilla": ScaledVanilla(),
        "mean_std": MeanStd(),
        "clip": ClipToDeviation(),
        "min_max": MinMax(),
        "lsc": LogSigmoidCentred(references=references),
        "centred": CentredReward(references=references),
        "par": PreferenceAsReward(steepness=once, references=references),
        "par_k2": PreferenceAsReward(steepness=twice, references=references),
        "par_k3": PreferenceAsReward(steepness=thrice, references=references),
        "sgfc": SlowGrowthFastConvergence(steepness=once, references=references),
        "sgfc_k3": SlowGrowthFastConvergence(steepness=thrice, references=references),
        "sigmoid": Sigmoid(steepness=once),
        "sigmoid_k2": Sigmoid(steepness=twice),
        "sigmoid_k3": Sigmoid(steepness=thrice),
        "tanh": Tanh(centred=True, references=references),
        "tanh_uncentred": Tanh(centred=False),
        "arctan": Arctan(centred=True, references=references),
        "arctan_uncentred": Arctan(centred=False),
        "polynomial": FittedPolynomial(centred=True, references=references),
        "polynomial_uncentred": FittedPolynomial(centred=False),
        **{name: PreferenceAsReward(steepness=once, references=count) for name, count in REFERENCE_COUNTS.items()},
        **{name: Ceiling(ceiling=ceiling) for name, ceiling in zip(CEILINGS, ceilings, strict=True)},
    }


def group_relative(method: PolicyGradient, responses: int) -> PolicyGradient:
    """``method`` as GRPO (appendix E): several responses a prompt, no value model, KL in the loss.

    The KL term is exp(d) - d - 1 with d = log pi - log pi_ref, as the paper and its code have it, not the usual k3 of
    -d. Its coefficient is the one that ``method`` has in the token rewards.
    """
    loss = {"kl_coefficient": method.kl.coefficient, "kl_estimator": "inverted_k3"}
    return method.model_copy(
        update={
            "per_prompt": responses,
            "advantage": GroupNormalised(scale="sample", epsilon=1e-8),
            "kl": FixedKL(coefficient=0.0),
            "policy_loss": method.policy_loss.model_copy(update=loss),
            "value": method.value.model_copy(update={"trunk": "none"}),
        }
    )


def budget_of(name: str, training: ReinforcementTraining) -> ReinforcementTraining:
    """The arm's own budget: twice the iterations, and checkpoints as far apart, for those that train long."""
    if name not in LONG:
        return training
    return training.model_copy(update={"iterations": 2 * training.iterations, "snapshots": 2 * training.snapshots})
