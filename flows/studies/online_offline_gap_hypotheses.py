"""Claims of the online-offline gap on accuracy, loss, data and scale (E8 to E14)."""

from flows.peaks import peak_difference
from flows.reinforcement.matched import points_of
from flows.studies.online_offline_gap_arms import QUALITY, finals, points_of_sweep
from flows.studies.online_offline_gap_config import GapConfig
from flows.studies.online_offline_gap_measures import GOLD, OWN, PAIRS, WIN_RATE, suite_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Arm, Difference, Level, MeanOfArms
from tasks.evaluation.evidence_over_arms import OrderAgreement

BETTER_THAN_CHANCE = 0.55
"""Accuracy that would still count as none (ours)."""
STRONG = 0.5
"""Rank correlation from which accuracy would tell performance (ours)."""


def claims_on_accuracy(config: GapConfig) -> tuple[Claim, ...]:
    """E8: hypothesis 3b, accuracy against performance."""
    offline = points_of_sweep("offline", config)[1:]
    if len(offline) < 3:
        return ()
    return (
        Claim(
            key="accuracy_does_not_tell_performance",
            statement=f"Over offline checkpoints, accuracy on the fixed pairs ranks win rates by less than {STRONG:g}",
            source="Figure 7",
            paper_value="no positive correlation within offline runs",
            evidence=OrderAgreement(
                metric="implicit_accuracy", suite=PAIRS, other_metric=WIN_RATE, other_suite=GOLD, arms=offline
            ),
            direction="below",
            threshold=STRONG,
        ),
    )  # fmt: skip


def claims_on_dynamics(config: GapConfig) -> tuple[Claim, ...]:
    """E9: hypothesis 3c, what happens on the fixed pairs."""
    offline = MeanOfArms(finals("offline", config))
    return (
        Claim(
            key="offline_classifies_better_than_online",
            statement="On the fixed pairs offline policies are better classifiers than the online one",
            source="Figure 8",
            paper_value="offline 60 to 70 %, online about or below 50 %",
            evidence=Difference(metric="implicit_accuracy", arm=offline, baseline="online", suite=PAIRS),
        ),
        Claim(
            key="chosen_becomes_less_likely",
            statement="Offline training makes the preferred fixed responses less likely",
            source="Figure 8",
            paper_value="falls for all, most for offline",
            evidence=Level(metric="chosen_log_ratio", arm=offline, suite=PAIRS),
            direction="below",
        ),
        Claim(
            key="chosen_falls_most_offline",
            statement="It makes them less likely than online training does",
            source="Figure 8",
            paper_value="falls for all, most for offline",
            evidence=Difference(metric="chosen_log_ratio", arm=offline, baseline="online", suite=PAIRS),
            direction="below",
        ),
    )


def claims_on_own_samples(config: GapConfig) -> tuple[Claim, ...]:
    """E10: nobody tells the better of its own two responses."""
    arms: dict[str, Arm] = {"online": "online", "offline": MeanOfArms(finals("offline", config))}
    return tuple(
        Claim(
            key=f"{name}_cannot_classify_itself",
            statement=f"The {name} policy tells the better of two own responses in less than {BETTER_THAN_CHANCE:.0%}",
            source="Appendix E",
            paper_value="no better than chance",
            evidence=Level(metric="preference_accuracy", arm=policy, suite=OWN),
            direction="below",
            threshold=BETTER_THAN_CHANCE,
        )
        for name, policy in arms.items()
    )


def claims_on_loss() -> tuple[Claim, ...]:
    """E11: hypothesis 4, the contrastive loss."""
    return (
        Claim(
            key="gap_without_contrast",
            statement="With the likelihood of the preferred response as loss, online still ends above offline",
            source="Figure 9",
            paper_value="the gap persists on three of four tasks",
            evidence=Difference(metric=WIN_RATE, arm="bo2_online", baseline="bo2_offline", suite=GOLD),
        ),
        Claim(
            key="coverage_explains_it_without_contrast",
            statement="With that loss the shuffled online pairs do as well as online: within 5 points",
            source="Figure 9",
            paper_value="shuffled matches online",
            evidence=Difference(metric=WIN_RATE, arm="bo2_shuffled", baseline="bo2_online", suite=GOLD),
            direction="within",
            threshold=0.05,
        ),
    )


def claims_on_sizes(config: GapConfig) -> tuple[Claim, ...]:
    """E12: hypothesis 5, scale of the policy. In true reward: win rates against one baseline end near 0 or 1."""
    return tuple(
        Claim(
            key=f"gap_remains_at_{size.name}",
            statement=f"At size {size.name} too, online's best checkpoint reaches a higher true reward than the "
            "best of all offline settings' checkpoints",
            source="Figures 10, 11 and 14",
            paper_value="the gap shrinks slowly with size",
            evidence=peak_difference(
                "gold_reward",
                points_of(f"online-{size.name}", config.training.snapshots)[1:],
                points_of_sweep(f"offline-{size.name}", config)[1:],
                suite_of(size),
            ),
        )
        for size in config.sizes
    )


def claims_on_origins(config: GapConfig) -> tuple[Claim, ...]:
    """E13: what the pairs should be made of."""
    near, far = (points_of_sweep(name, config) for name in ("sft_vs_early", QUALITY))
    return (
        Claim(
            key="one_side_near_sft_helps",
            statement="Pairs with a response of SFT teach more than pairs of the final online policy, each at its best",
            source="Figure 12",
            paper_value="at least one side near SFT helps",
            evidence=peak_difference(WIN_RATE, near, far, GOLD),
        ),
    )


def claims_on_proxies(config: GapConfig) -> tuple[Claim, ...]:
    """E14: only discussed in the paper."""
    return tuple(
        Claim(
            key=f"proxy_of_{size}_is_worse",
            statement=f"A preference model of size {size} brings online a lower win rate than the usual one",
            source="Discussion of the proxy's scale",
            paper_value="a larger preference model raises online's peak (discussed, not measured)",
            evidence=Difference(metric=WIN_RATE, arm=f"online-proxy-{size}", baseline="online", suite=GOLD),
            direction="below",
        )
        for size in (one.name for one in config.sizes)
    )
