"""Names of the arms of the reward-ensembles paper, and what of a run's settings they depend on."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.reinforcement.matched import points_of
from tasks.evaluation.evidence import Arm, MeanOfArms

BEST_OF_N, SIZES = "best_of_n", "best_of_n_sizes"
"""Suites of the selectors over n, for all label noises; and of ensembles of different sizes, the largest among them."""
WIN_RATE = "win_rate_vs_single"
"""Against the PPO policy of the first member alone, at the same label noise."""
ENSEMBLES = {"uwo": "the uncertainty-weighted mean", "wco": "the worst case", "mean": "the mean"}
"""Arms whose reward is made of several members'."""

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "single": "One reward model: in best-of-n every member's own curve, averaged; in PPO a run of each first member",
    "mean": "Mean of the members' rewards",
    "wco": "Worst-case optimisation: the lowest of the members' rewards",
    "uwo": "Uncertainty-weighted optimisation: mean less a multiple of the members' variance",
    "kl_only": "PPO on one reward model with a large KL penalty in place of an ensemble",
}


@dataclass(frozen=True)
class Design:
    """What of a run's settings the names and the set of its claims depend on."""

    noises: Sequence[float]
    sizes: Sequence[int]
    counts: Sequence[int]
    snapshots: int
    single_members: int
    small_beta: float
    penalised_noises: Sequence[float]


def arm_name(method: str, *, noise: float = 0.0, beta: float = 0.0, size: int = 0, member: int = 0) -> str:
    """The name of a trained or selecting arm, e.g. ``uwo-k3-beta-0.01-noise-0.25``; what is 0 is left out."""
    parts = [
        method,
        f"m{member}" if member else "",
        f"k{size}" if size else "",
        f"beta-{beta:g}" if beta else "",
        f"noise-{noise:g}" if noise else "",
    ]
    return "-".join(filter(None, parts))


def rival_of(name: str) -> str:
    """The PPO arm of the first member alone, at the label noise that ``name`` has."""
    _, noise, share = name.partition("noise-")
    return f"single-noise-{share}" if noise else "single"


def singles(design: Design, noise: float, method: str = "single") -> Arm:
    """The arm that stands for one reward model in PPO: the mean over the runs of ``single_members`` members."""
    return mean_of([arm_name(method, member=member, noise=noise) for member in range(design.single_members)])


def mean_of(names: Sequence[str]) -> Arm:
    """One arm itself, or several as one."""
    return names[0] if len(names) == 1 else MeanOfArms(tuple(names))


def single_points(design: Design, noise: float) -> tuple[Arm, ...]:
    """The checkpoints of ``singles``, in their order."""
    runs = [
        points_of(arm_name("single", member=member, noise=noise), design.snapshots)
        for member in range(design.single_members)
    ]
    return tuple(mean_of(names) for names in zip(*runs, strict=True))


def curve(design: Design, method: str, noise: float) -> tuple[str, ...]:
    """A selector's points over rising n."""
    return tuple(f"{arm_name(method, noise=noise)}@n{count}" for count in design.counts)
