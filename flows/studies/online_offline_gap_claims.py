"""What the online-offline gap claims, part by part, as statements that scores can support or refute."""

from collections.abc import Sequence

from flows.peaks import peak_difference
from flows.reinforcement.matched import KL, points_of
from flows.studies.online_offline_gap_arms import GOLDEN, ORIGINS, QUALITY, curves_of, finals, points_of_sweep, swept
from flows.studies.online_offline_gap_config import GapConfig
from flows.studies.online_offline_gap_hypotheses import (
    claims_on_accuracy,
    claims_on_dynamics,
    claims_on_loss,
    claims_on_origins,
    claims_on_own_samples,
    claims_on_proxies,
    claims_on_sizes,
)
from flows.studies.online_offline_gap_measures import GOLD, LABELLER, STREAM, TANDEM, WIN_RATE
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Level, MeanOfArms, Trend
from tasks.evaluation.evidence_over_settings import GapToBestSetting
from tasks.evaluation.evidence_over_training import Drop

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "online": "Two responses of the policy at every step, compared by the proxy that was fitted on the fixed pairs",
    GOLDEN: "The same, compared by the golden preference: what win rates are against",
    "offline": "The fixed pairs, golden preferences of two SFT responses; every setting of the sweep",
    "tandem": "The online run's own pairs in their order (E3)",
    "shuffled": "The online run's own pairs, all shuffled (E4, E5)",
    "blocks": "The online run's own pairs, shuffled within blocks of batches (E5)",
    **{name: f"Offline on golden preferences between {name.replace('_vs_', ' and ')} policy" for name in ORIGINS},
    "bo2_online": "Likelihood of the preferred response, online (E11)",
    "bo2_offline": "Likelihood of the preferred response, on the fixed pairs (E11)",
    "bo2_shuffled": "Likelihood of the preferred response, on the shuffled online pairs (E11)",
    "online-proxy": "Online with a preference model of another size (E14)",
}  # fmt: skip
ONLY_DRAWN = "drawn in a figure, no number given"
CHANCE = 0.5


def claims_of(config: GapConfig) -> tuple[Claim, ...]:
    """The claims of the parts that are run, the main one first."""
    offline = points_of_sweep("offline", config)
    online, golden = (("sft", *points_of(name, config.training.snapshots)[1:]) for name in ("online", GOLDEN))
    by_part = {
        "E1": (*claims_on_gap(config, online, golden), *claims_on_humps(config)),
        "E3": claims_on_tandem(),
        "E4": claims_on_coverage(config, online, offline),
        "E5": claims_on_order(config),
        "E6": claims_on_quality(config, online, offline),
        "E7": claims_on_labeller(config),
        "E8": claims_on_accuracy(config),
        "E9": claims_on_dynamics(config),
        "E10": claims_on_own_samples(config),
        "E11": claims_on_loss(),
        "E12": claims_on_sizes(config),
        "E13": claims_on_origins(config),
        "E14": claims_on_proxies(config),
    }
    return tuple(claim for part in config.parts for claim in by_part.get(part, ()))


def claims_on_gap(config: GapConfig, online: Sequence[str], golden: Sequence[str]) -> tuple[Claim, ...]:
    """E1: the gap itself, to the offline setting that does best against online."""
    offline, settings = points_of_sweep("offline", config), curves_of("offline", config)
    return (
        Claim(
            key="online_above_offline_at_equal_kl",
            statement="At equal KL to SFT, online wins more often against the golden baseline than the best offline "
            "setting",
            source="Figure 1",
            paper_value=f"online is above offline at every KL; {ONLY_DRAWN}",
            evidence=GapToBestSetting(arms=tuple(online), settings=settings, suite=GOLD, metric=WIN_RATE, kl=KL),
        ),
        Claim(
            key="online_peaks_higher",
            statement="Online's best checkpoint wins more often than the best of all offline settings' checkpoints",
            source="Figure 1",
            paper_value=f"the peak of online is higher; {ONLY_DRAWN}",
            evidence=peak_difference(WIN_RATE, online, offline, GOLD),
        ),
        Claim(
            key="fresh_pairs_alone_help",
            statement="At equal KL to SFT, online with golden labels earns more true reward than the best offline "
            "setting, whose pairs have golden labels too: who sampled them, and when, is what differs",
            source="Figure 1 (the golden baseline against offline)",
            paper_value="not claimed as such: the golden labeller knows more than a proxy fitted on the fixed pairs",
            evidence=GapToBestSetting(arms=tuple(golden), settings=settings, suite=GOLD, kl=KL),
        ),
        Claim(
            key="fresh_pairs_alone_peak_higher",
            statement="Online with golden labels reaches a higher true reward than the best of all offline settings' "
            "checkpoints",
            source="Figure 1 (the golden baseline against offline)",
            paper_value="not claimed as such",
            evidence=peak_difference("gold_reward", golden, offline, GOLD),
        ),
    )


def claims_on_humps(config: GapConfig) -> tuple[Claim, ...]:
    """E1: Goodhart's law, for the fastest offline setting."""
    fastest = tuple(swept("offline", config, config.sweep))[-1]
    return (
        (
            Claim(
                key="offline_over_optimises",
                statement="The last offline setting of the sweep falls from its peak in true reward",
                source="Figure 1",
                paper_value="both curves rise and fall",
                evidence=Drop(
                    metric="gold_reward", points=points_of(fastest, config.training.snapshots)[1:], suite=GOLD
                ),
            ),
        )
        if config.training.snapshots > 2
        else ()
    )


def claims_on_tandem() -> tuple[Claim, ...]:
    """E3: offline on the online run's pairs is the online run."""
    return (
        Claim(
            key="tandem_equals_online",
            statement="Replayed in their order, the online run's pairs leave the online run's weights, bit for bit",
            source="Appendix F",
            paper_value="statistics of the loss within about 0.1 %",
            evidence=Level(metric="same_weights", arm="tandem", suite=TANDEM),
            threshold=CHANCE,
        ),
    )


def claims_on_coverage(config: GapConfig, online: Sequence[str], offline: Sequence[str]) -> tuple[Claim, ...]:
    """E4: hypothesis 1, coverage."""
    shuffled = points_of_sweep("shuffled", config)
    return (
        Claim(
            key="shuffled_below_online",
            statement="The best of the shuffled online pairs wins less often than online itself",
            source="Figure 4",
            paper_value=f"little gain over offline on three of four tasks; {ONLY_DRAWN}",
            evidence=peak_difference(WIN_RATE, shuffled, online, GOLD),
            direction="below",
        ),
        Claim(
            key="shuffled_is_no_better_than_offline",
            statement="The best of the shuffled online pairs wins less than 5 points more often than offline's best",
            source="Figure 4",
            paper_value=f"little gain over offline on three of four tasks; {ONLY_DRAWN}",
            evidence=peak_difference(WIN_RATE, shuffled, offline, GOLD),
            direction="below",
            threshold=0.05,
        ),
    )


def claims_on_order(config: GapConfig) -> tuple[Claim, ...]:
    """E5: the more shuffling, the less is left."""
    degrees = ("tandem", *(f"blocks-{size}" for size in sorted(config.blocks)), "shuffled")
    return (
        Claim(
            key="shuffling_costs",
            statement="The more the online pairs are shuffled, the lower the true reward",
            source="Appendix G, figure 13",
            paper_value="a little shuffling is harmless, then performance drops",
            evidence=Trend(metric="gold_reward", arms=degrees, suite=GOLD),
            direction="below",
        ),
    )


def claims_on_quality(config: GapConfig, online: Sequence[str], offline: Sequence[str]) -> tuple[Claim, ...]:
    """E6: hypothesis 2, quality of the data."""
    quality = points_of_sweep(QUALITY, config)
    return (
        Claim(
            key="good_data_below_online",
            statement="Offline on pairs of the final online policy wins less often than online, each at its best",
            source="Figure 5",
            paper_value=f"barely above SFT; {ONLY_DRAWN}",
            evidence=peak_difference(WIN_RATE, quality, online, GOLD),
            direction="below",
        ),
        Claim(
            key="good_data_no_better_than_fixed",
            statement="Offline on pairs of the final online policy is worse than on the fixed pairs, each at its best",
            source="Figure 5",
            paper_value=f"barely above SFT; {ONLY_DRAWN}",
            evidence=peak_difference(WIN_RATE, quality, offline, GOLD),
            direction="below",
        ),
    )


def claims_on_labeller(config: GapConfig) -> tuple[Claim, ...]:
    """E7: hypothesis 3a, policies as classifiers."""
    offline = MeanOfArms(finals("offline", config))
    return tuple(
        Claim(
            key=f"labeller_classifies_better_than_{name}",
            statement=f"On the online run's pairs the proxy is a better classifier than the {name} policy",
            source="Figure 6",
            paper_value="proxy 70 to 90 % in training, policies about 70 %",
            evidence=Difference(metric="preference_accuracy", arm=LABELLER, baseline=policy, suite=STREAM),
        )
        for name, policy in (("online", "online"), ("offline", offline))
    )
