"""What the scaling laws of direct alignment claim, as statements that scores can support or refute."""

from collections.abc import Sequence

from flows.studies.daa_scaling_laws_settings import PLAIN, DAAScalingLawsConfig, Run, points_of_all
from flows.studies.sizes import sized
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, Level, MeanOfArms, Trend
from tasks.evaluation.evidence_over_arms import OrderAgreement
from tasks.evaluation.evidence_over_training import Drop

GOLD, PAIRS, SIZES, FITS, LENGTH, TREE = "gold", "held_out_pairs", "sizes", "fits", "length", "tree"
KL, WINS = "token_kl", "win_rate_vs_demonstrations"
ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every run starts, and the reference policy",
    "dpo": "DPO at every KL budget",
    "ipo": "IPO in the form (beta h - 1)^2 at every KL budget",
    "slic": "SLiC's hinge max(0, 1 - beta h) at every KL budget",
    "length_dpo": "DPO with a penalty on the length of responses",
    "tree": "The three objectives on a tree MDP that is enumerated",
}
NAMES = {"dpo": "DPO", "ipo": "IPO", "slic": "SLiC", "length_dpo": "Length-regularised DPO"}


def claims_of(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """The claims that a configuration can settle; win rates need the tiny world's true reward."""
    golden = not config.data.path
    return (
        *(claims_on_humps(config) if golden else ()),
        *(claims_on_fits(config) if golden else ()),
        *(claims_on_accuracy(config) if golden else ()),
        *claims_on_budgets(config),
        *(claims_on_sizes(config) if golden else ()),
        *claims_on_length(config),
        *claims_on_tree(config),
    )


def claims_on_humps(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """Over-optimisation: across KL budgets for every objective, and within the epoch at the widest budget."""
    over_budgets = tuple(
        Claim(
            key=f"hump_{loss}",
            statement=f"{NAMES[loss]} over-optimises: its win rate is lower at the widest KL budget than at the best",
            source="Section 3, figure 1 (win rate against sqrt(KL))",
            paper_value="a hump for all three objectives at every size",
            evidence=Drop(metric=WINS, points=finals(runs), suite=GOLD),
        )
        for loss in PLAIN
        if len(runs := config.runs(loss)) > 1
    )
    widest = [(loss, config.runs(loss)[-1]) for loss in ("dpo", "length_dpo") if config.runs(loss)]
    if config.training.snapshots < 2:
        return over_budgets
    return over_budgets + tuple(
        Claim(
            key=f"peak_within_epoch_{loss}",
            statement=f"At its widest KL budget {NAMES[loss]}'s win rate peaks before the end of one epoch",
            source="Section 3, figure 2 (intermediate checkpoints)" if loss == "dpo" else "Length figure",
            paper_value="best at 25 % of the epoch, then falling"
            if loss == "dpo"
            else "length regularisation shifts the hump but does not remove it",
            evidence=Drop(metric=WINS, points=run.points(config.training.snapshots), suite=GOLD),
        )
        for loss, run in widest
    )


def claims_on_fits(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """The functional form, over the three objectives' own fits."""
    fitted = tuple(loss for loss in PLAIN if config.runs(loss))
    if not fitted:
        return ()
    return (
        Claim(
            key="log_form_fits_better",
            statement="R(d) = d (a - b log d) fits win rates with less error than the quadratic d (a - b d)",
            source="Section 3 (scaling law fits)",
            paper_value="-1: the log form halves the RMSE",
            evidence=Level(metric="fit_error_ratio", arm=MeanOfArms(fitted), suite=FITS),
            direction="below",
        ),
    )


def claims_on_accuracy(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """Whether ranking pairs well foretells winning, over checkpoints and KL budgets of the own model."""
    found = []
    for loss in ("dpo", "slic"):
        points = points_of_all(config.runs(loss), config.training.snapshots)
        if len(points) > 2:
            evidence = OrderAgreement(
                metric="implicit_accuracy", suite=PAIRS, other_metric=WINS, other_suite=GOLD, arms=points
            )
            claim = Claim(
                key=f"accuracy_does_not_foretell_wins_{loss}",
                statement=f"Over {NAMES[loss]}'s checkpoints implicit accuracy and win rate are hardly correlated",
                source="Figure on implicit accuracy (there on training pairs)",
                paper_value="nearly uncorrelated for DPO and SLiC",
                evidence=evidence,
                direction="within",
                threshold=0.5,
            )
            found.append(claim)
    return tuple(found)


def claims_on_budgets(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """IPO against DPO at the betas that both have."""
    shared = [beta for beta in config.betas("ipo") if beta in config.betas("dpo")]
    if not shared or not {"ipo", "dpo"} <= set(config.arms):
        return ()
    ipo, dpo = (MeanOfArms(tuple(Run(loss, beta).name for beta in shared)) for loss in ("ipo", "dpo"))
    return (
        Claim(
            key="ipo_keeps_lower_kl",
            statement="At equal beta IPO stays closer to SFT than DPO",
            source="Section 3, figure 1",
            paper_value="IPO has lower KL and degrades less than DPO and SLiC",
            evidence=Difference(metric=KL, arm=ipo, baseline=dpo, suite=GOLD),
            direction="below",
        ),
    )


def claims_on_sizes(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """The study's own model against its smallest further one, at the betas that both have."""
    if not config.sizes or not config.runs("dpo", config.sizes[0]):
        return ()
    small = config.runs("dpo", config.sizes[0])
    large = [Run("dpo", run.beta) for run in small]
    snapshots = config.training.snapshots
    drops = (
        Claim(
            key="larger_over_optimises_less",
            statement="The larger model loses less win rate between its best KL budget and its widest",
            source="Section 3, figure 1 (sizes)",
            paper_value="6.9B over-optimises less than 1B",
            evidence=Drop(metric=WINS, points=finals(large), baselines=finals(small), suite=SIZES),
            direction="below",
        ),
    )
    return (
        Claim(
            key="larger_has_better_frontier",
            statement="At equal KL to its own SFT model, the larger model wins more",
            source="Section 3, figure 1 (sizes)",
            paper_value="6.9B has the better frontier of win rate and KL than 1B",
            evidence=FrontierGap(
                arms=("sft", *points_of_all(large, snapshots)),
                baselines=(sized("sft", config.sizes[0]), *points_of_all(small, snapshots)),
                suite=SIZES,
                metric=WINS,
                kl=KL,
            ),
        ),
        *(drops if len(small) > 1 else ()),
    )


def claims_on_length(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """How much of the implicit reward is length."""
    runs = config.runs("dpo")
    if len(runs) < 2:
        return ()
    return (
        Claim(
            key="length_explains_tight_budgets",
            statement="Length explains more of the implicit reward at tighter KL budgets: R^2 falls as beta does",
            source="Length section (regression of the log-ratio on length)",
            paper_value="higher R^2 for smaller models and smaller budgets",
            evidence=Trend(metric="length_r_squared", arms=finals(runs), suite=LENGTH),
            direction="below",
        ),
    )


def claims_on_tree(config: DAAScalingLawsConfig) -> tuple[Claim, ...]:
    """Where probability goes when few trajectories are compared; the mean over the three objectives."""
    if "tree" not in config.arms:
        return ()
    ends, starts = (MeanOfArms(tuple(f"tree-{loss}{point}" for loss in PLAIN)) for point in ("", "@0%"))
    return (
        Claim(
            key="mass_leaves_the_data",
            statement="On the tree MDP all three objectives move probability to trajectories that no pair holds",
            source="Tree MDP figure",
            paper_value="all objectives put much mass on trajectories outside the data",
            evidence=Difference(metric="ood_mass", arm=ends, baseline=starts, suite=TREE),
        ),
        Claim(
            key="chosen_likelihood_falls",
            statement="Meanwhile the likelihood of the chosen trajectories falls",
            source="Tree MDP figure; E[implicit reward of chosen] = -beta KL(pi_ref || pi) at most 0",
            paper_value="in-sample likelihood falls",
            evidence=Difference(metric="chosen_log_prob", arm=ends, baseline=starts, suite=TREE),
            direction="below",
        ),
    )


def finals(runs: Sequence[Run]) -> tuple[str, ...]:
    """The runs' last checkpoints."""
    return tuple(run.name for run in runs)
