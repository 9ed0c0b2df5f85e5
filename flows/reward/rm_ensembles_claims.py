"""What the reward-ensembles paper claims, as statements that scores can support or refute."""

from flows.reinforcement.matched import GOLD, KL, points_of
from flows.reward.rm_ensembles_design import (
    BEST_OF_N,
    ENSEMBLES,
    SIZES,
    WIN_RATE,
    Design,
    arm_name,
    curve,
    single_points,
    singles,
)
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, InteractionDifference, Level, Trend
from tasks.evaluation.evidence_over_training import Drop

TOLERATED = 0.05
"""Gold units: a tenth of what PPO gains here over SFT at its peak (about 0.5)."""
ABOUT_EQUAL = 0.1
"""Standard deviations of gold reward over the SFT model's answers."""


def claims_with_gold(design: Design) -> tuple[Claim, ...]:
    """Claims where the true reward is known; the first is the paper's main one. Most are tested with most noise."""
    noise, clean = max(design.noises), min(design.noises)
    final = design.counts[-1]
    return (
        *best_of_n_beats_single(noise, final),
        *ppo_beats_single(design, noise),
        *claims_on_drops(design, noise),
        *(claims_on_noise(design, clean, noise) if clean < noise else ()),
        *claims_on_penalty(design),
        *(claims_on_sizes(design, noise) if len(design.sizes) > 1 else ()),
        *claims_on_disagreement(design),
    )


def best_of_n_beats_single(noise: float, final: int) -> tuple[Claim, ...]:
    """Gold reward at the largest n, every ensemble against the average single reward model."""
    return tuple(
        Claim(
            key=f"best_of_n_{name}_beats_single",
            statement=f"Best-of-{final} by {words} ends above the average single reward model, labels noisy",
            source="Abstract; section 5, best-of-n with 25 % label noise; table 6",
            paper_value="about +75 % final gold reward; win rates mean 57.8, WCO 58.3, UWO 58.2 (44M)",
            evidence=Difference(
                metric="gold_reward",
                arm=f"{arm_name(name, noise=noise)}@n{final}",
                baseline=f"{arm_name('single', noise=noise)}@n{final}",
                suite=BEST_OF_N,
            ),
        )
        for name, words in ENSEMBLES.items()
    )


def ppo_beats_single(design: Design, noise: float) -> tuple[Claim, ...]:
    """Final gold reward and win rate of PPO without a KL penalty; and the reward at equal KL."""
    finals = tuple(
        Claim(
            key=f"ppo_{name}_beats_single",
            statement=f"PPO on {words} ends above PPO on a single reward model, labels noisy and no KL penalty",
            source="Abstract; section 5, PPO with 25 % label noise",
            paper_value="ensembles always outperform a single reward model",
            evidence=Difference(
                metric="gold_reward",
                arm=arm_name(name, noise=noise),
                baseline=singles(design, noise),
                suite=GOLD,
            ),
        )
        for name, words in ENSEMBLES.items()
    )
    return (
        *finals,
        Claim(
            key="ppo_uwo_wins_against_single",
            statement="UWO's PPO policy wins against the single reward model's, labels noisy",
            source="Table 6 (44M, 25 % label noise)",
            paper_value="63.0 % (mean 60.2 %, WCO 62.2 %)",
            evidence=Level(metric=WIN_RATE, arm=arm_name("uwo", noise=noise), suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="ppo_uwo_ahead_at_equal_kl",
            statement="At equal KL to SFT, UWO's gold reward is above the single reward model's, labels noisy",
            source="Section 5, PPO curves against KL",
            paper_value="the curves part where the single reward model is over-optimised",
            evidence=FrontierGap(
                arms=points_of(arm_name("uwo", noise=noise), design.snapshots),
                baselines=points_of(arm_name("single", noise=noise), design.snapshots),
                suite=GOLD,
                kl=KL,
            ),
        ),
    )


def claims_on_drops(design: Design, noise: float) -> tuple[Claim, ...]:
    """Over-optimisation: gold reward at its peak less at the end, of the single reward model and of the others."""
    single_curve, single_run = curve(design, "single", noise), single_points(design, noise)
    humps = (
        Claim(
            key="best_of_n_single_over_optimises",
            statement="Best-of-n by a single reward model peaks and then falls as n grows, labels noisy",
            source="Section 5, best-of-n",
            paper_value="gold reward rises, then falls, up to n = 12,500",
            evidence=Drop(metric="gold_reward", points=single_curve, suite=BEST_OF_N),
        ),
        Claim(
            key="ppo_single_over_optimises",
            statement="PPO on a single reward model peaks in gold reward and then falls, labels noisy",
            source="Section 5, PPO without KL penalty",
            paper_value="gold reward rises, then falls, within 3,000 steps",
            evidence=Drop(metric="gold_reward", points=single_run, suite=GOLD),
        ),
    )
    smaller = tuple(
        Claim(
            key=f"{optimiser}_{name}_falls_less",
            statement=f"{label} on {ENSEMBLES[name]} falls less from its peak than on a single reward model",
            source=source,
            paper_value=value,
            evidence=Drop(metric="gold_reward", points=points, baselines=baselines, suite=suite),
            direction="below",
        )
        for name in ("uwo", "wco")
        for optimiser, label, source, value, points, baselines, suite in (
            (
                "best_of_n", "Best-of-n", "Abstract; section 5, best-of-n", "practically no fall up to n = 12,500",
                curve(design, name, noise), single_curve, BEST_OF_N,
            ),
            (
                "ppo", "PPO", "Abstract; section 5, PPO", "always reduced, most by WCO and UWO",
                points_of(arm_name(name, noise=noise), design.snapshots), single_run, GOLD,
            ),
        )
    )  # fmt: skip
    return (*humps, *smaller)


def claims_on_noise(design: Design, clean: float, noise: float) -> tuple[Claim, ...]:
    """The ensemble's lead with noisy labels less its lead with clean ones."""
    suffix = f"@n{design.counts[-1]}"
    return (
        Claim(
            key="noise_widens_best_of_n_gap",
            statement="Label noise widens UWO's lead over the single reward model in best-of-n",
            source="Section 5, best-of-n without and with label noise",
            paper_value="about +30 % without noise, +75 % with",
            evidence=InteractionDifference(
                metric="gold_reward",
                arm=arm_name("uwo", noise=noise) + suffix,
                baseline=arm_name("single", noise=noise) + suffix,
                other_arm=arm_name("uwo", noise=clean) + suffix,
                other_baseline=arm_name("single", noise=clean) + suffix,
                suite=BEST_OF_N,
            ),
        ),
        Claim(
            key="noise_widens_ppo_gap",
            statement="Label noise widens UWO's lead over the single reward model in PPO",
            source="Table 6 (44M)",
            paper_value="win rate of UWO against single 60.2 % without noise, 63.0 % with",
            evidence=InteractionDifference(
                metric="gold_reward",
                arm=arm_name("uwo", noise=noise),
                baseline=singles(design, noise),
                other_arm=arm_name("uwo", noise=clean),
                other_baseline=singles(design, clean),
                suite=GOLD,
            ),
        ),
    )


def claims_on_penalty(design: Design) -> tuple[Claim, ...]:
    """A small KL penalty with a conservative ensemble, against a large one alone."""
    if not design.penalised_noises:
        return ()
    noise = max(design.penalised_noises)
    penalised = tuple(arm_name(name, beta=design.small_beta, noise=noise) for name in ("uwo", "wco"))
    return (
        Claim(
            key="small_penalty_ends_over_optimisation",
            statement=f"With a small KL penalty UWO falls less than {TOLERATED:g} gold units from its peak",
            source="Abstract; section 5, PPO with KL penalty 0.01",
            paper_value="WCO and UWO with 0.01: no over-optimisation, no loss of performance",
            evidence=Drop(metric="gold_reward", points=points_of(penalised[0], design.snapshots), suite=GOLD),
            direction="below",
            threshold=TOLERATED,
        ),
        *(
            Claim(
                key=f"small_penalty_{name}_matches_large_penalty",
                statement=(
                    f"{name.upper()} with a small KL penalty ends at most {TOLERATED:g} gold units below one reward "
                    "model with a large penalty"
                ),
                source="Section 5, PPO with KL penalty",
                paper_value="0.01 with WCO or UWO at no cost; a single reward model needs about 0.2, and loses by it",
                evidence=Difference(
                    metric="gold_reward", arm=arm, baseline=singles(design, noise, "kl_only"), suite=GOLD
                ),
                threshold=-TOLERATED,
            )
            for name, arm in zip(("uwo", "wco"), penalised, strict=True)
        ),
    )


def claims_on_sizes(design: Design, noise: float) -> tuple[Claim, ...]:
    """Best-of-n by ensembles of different sizes at the largest n."""
    suffix = f"@n{design.counts[-1]}"
    *_, fewer, largest = sorted(design.sizes)
    by_size = [arm_name("uwo", size=size, noise=noise) + suffix for size in sorted(design.sizes)]
    return (
        Claim(
            key="more_members_more_reward",
            statement="In best-of-n UWO's gold reward rises with the members, from a single reward model on",
            source="Section 5, number of members",
            paper_value="rises with k and levels off at four or five",
            evidence=Trend(
                metric="gold_reward", arms=(arm_name("single", noise=noise) + suffix, *by_size), suite=SIZES
            ),
        ),
        Claim(
            key="members_level_off",
            statement=f"{largest} members do as well as {fewer}: within {ABOUT_EQUAL:g} standard deviations of gold",
            source="Section 5, number of members",
            paper_value="four or five members are enough",
            evidence=Difference(metric="gold_reward", arm=by_size[-1], baseline=by_size[-2], suite=SIZES),
            direction="within",
            threshold=ABOUT_EQUAL,
        ),
    )


def claims_on_disagreement(design: Design) -> tuple[Claim, ...]:
    """Claims on the members' variance, which needs no true reward: real data can settle them."""
    noise, clean, final = max(design.noises), min(design.noises), design.counts[-1]
    mean, uwo = arm_name("mean", noise=clean), arm_name("uwo", noise=clean)
    return (
        Claim(
            key="mean_ppo_widens_disagreement",
            statement="The members' variance grows more in PPO on their mean than under UWO",
            source="Section 5, intra-ensemble variance in PPO",
            paper_value="about 3-fold under the mean, about +20 % under UWO",
            evidence=InteractionDifference(
                metric="reward_variance",
                arm=mean,
                baseline=f"{mean}@0%",
                other_arm=uwo,
                other_baseline=f"{uwo}@0%",
                suite=GOLD,
            ),
        ),
        Claim(
            key="selection_finds_disagreement",
            statement="The members disagree more about the answer that their mean selects than about a random one",
            source="Section 5, intra-ensemble variance",
            paper_value="variance rises with optimisation",
            evidence=selected_variance("mean", f"n{design.counts[0]}", noise, final, "mean"),
        ),
        Claim(
            key="uwo_selects_agreement",
            statement="They disagree less about the answer that UWO selects than about the one of their mean",
            source="Section 3, uncertainty-weighted optimisation",
            paper_value="follows from the objective; no number given",
            evidence=selected_variance("mean", f"n{final}", noise, final, "uwo"),
        ),
    )


def selected_variance(method: str, point: str, noise: float, final: int, baseline: str) -> Difference:
    """Variance at two selected answers: of one aggregate over n, or of two aggregates at the largest n."""
    above, below = f"{arm_name(method, noise=noise)}@n{final}", f"{arm_name(baseline, noise=noise)}@{point}"
    return Difference(metric="reward_variance", arm=above, baseline=below, suite=BEST_OF_N)
