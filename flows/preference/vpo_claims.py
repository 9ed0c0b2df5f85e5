"""What the VPO paper claims, as statements that scores can support or refute."""

from typing import NamedTuple

from flows.reinforcement.matched import GOLD, KL, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Trend
from tasks.evaluation.evidence_over_training import Drop, StepsToTarget

CALIBRATION = "reference_samples"
"""The suite of the SFT model's own responses to the evaluation prompts."""
UNKNOWN = "not at hand"

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "dpo": "DPO on the fixed pairs",
    "ipo": "IPO on the fixed pairs",
    "vpo": "Pessimistic VPO on the fixed pairs: samples of the SFT model are to stay likely",
    "vpo_chosen": "Pessimistic VPO calibrated by the chosen responses: DPO with their likelihood",
    "vpo_wrong_sign": "Optimistic VPO on the fixed pairs, where nothing can be explored",
    "online_dpo": "DPO on pairs sampled as it trains, all of them kept",
    "online_vpo": "Optimistic VPO on such pairs: samples of the SFT model are to become less likely",
    "xpo": "XPO on such pairs, each of one response of the policy and one of the SFT model",
    "online_vpo_wrong_sign": "Pessimistic VPO on such pairs, which holds exploration back",
    "online_dpo_plain": "Online DPO on the newest pairs alone",
    "online_vpo_plain": "Online VPO on the newest pairs alone",
}


class Rising(NamedTuple):
    """What orders the points that claims read."""

    alphas: tuple[str, ...]
    """VPO's offline arms by rising alpha."""
    offline: int
    """Checkpoints of an offline run."""
    online: int
    """Checkpoints of an online run."""


def claims_on(rising: Rising, reward: str) -> tuple[Claim, ...]:
    """All claims; ``reward`` is the metric that stands for how good responses are."""
    return (
        *claims_on_over_optimisation(rising.offline, reward),
        *claims_on_pessimism(rising.alphas),
        *claims_on_exploration(rising.online, reward),
        *claims_on_signs(reward),
    )


def claims_on_over_optimisation(snapshots: int, reward: str) -> tuple[Claim, ...]:
    """Figure 2: pessimism on fixed pairs that are gone through many times."""
    drop = {name: points_of(name, snapshots) for name in ("dpo", "ipo", "vpo")}
    return (
        Claim(
            key="beats_dpo_after_long_training",
            statement="After many passes over few pairs pessimistic VPO's reward is above DPO's",
            source="Figure 2 (ARC-Challenge accuracy over training)",
            paper_value=f"VPO stays strong, DPO loses accuracy; values {UNKNOWN}",
            evidence=Difference(metric=reward, arm="vpo", baseline="dpo", suite=GOLD),
        ),
        Claim(
            key="over_optimises_less_than_dpo",
            statement="From its peak to the end of training VPO's reward falls less than DPO's",
            source="Figure 2",
            paper_value=f"VPO avoids over-optimisation; values {UNKNOWN}",
            evidence=Drop(metric=reward, points=drop["dpo"], baselines=drop["vpo"], suite=GOLD),
        ),
        Claim(
            key="dpo_over_optimises",
            statement="DPO's reward falls from its peak to the end of training",
            source="Figure 2",
            paper_value=f"DPO loses accuracy with more training; values {UNKNOWN}",
            evidence=Drop(metric=reward, points=drop["dpo"], suite=GOLD),
        ),
        Claim(
            key="beats_ipo_after_long_training",
            statement="After many passes over few pairs pessimistic VPO's reward is above IPO's",
            source="Figure 2",
            paper_value=f"VPO stays strong, IPO loses accuracy; values {UNKNOWN}",
            evidence=Difference(metric=reward, arm="vpo", baseline="ipo", suite=GOLD),
        ),
    )


def claims_on_pessimism(alphas: tuple[str, ...]) -> tuple[Claim, ...]:
    """What the pessimistic term does: it holds probability on the calibration policy's responses."""
    held = (
        Claim(
            key="keeps_reference_samples_likely",
            statement="VPO leaves the SFT model's own responses likelier than DPO does",
            source="The offline objective (its value term)",
            paper_value="not reported",
            evidence=Difference(metric="calibration_log_ratio", arm="vpo", baseline="dpo", suite=CALIBRATION),
        ),
        Claim(
            key="stays_closer_than_dpo",
            statement="VPO ends closer to the SFT model than DPO",
            source="The offline objective (its value term)",
            paper_value="not reported",
            evidence=Difference(metric=KL, arm="vpo", baseline="dpo", suite=GOLD),
            direction="below",
        ),
    )
    if len(alphas) < 2:
        return held
    return (
        *held,
        Claim(
            key="closer_with_larger_alpha",
            statement="The larger alpha, the closer VPO ends to the SFT model",
            source="The offline objective (its value term)",
            paper_value="not reported",
            evidence=Trend(metric=KL, arms=alphas, suite=GOLD),
            direction="below",
        ),
    )


def claims_on_exploration(snapshots: int, reward: str) -> tuple[Claim, ...]:
    """Optimism on fresh pairs, at equal numbers of labels."""
    shares = tuple(part / snapshots for part in range(snapshots + 1))
    return (
        Claim(
            key="online_beats_online_dpo",
            statement="Optimistic VPO's reward is above online DPO's after as many labels",
            source="Table 1 (TL;DR, win rate by a judge)",
            paper_value="about half a point above online DPO (reviews)",
            evidence=Difference(metric=reward, arm="online_vpo", baseline="online_dpo", suite=GOLD),
        ),
        Claim(
            key="online_needs_fewer_labels",
            statement="Optimistic VPO reaches online DPO's final reward with fewer labels",
            source="Abstract (exploration; regret bound)",
            paper_value="regret of order sqrt(T); in experiments the gain is largest in the first iteration (reviews)",
            evidence=StepsToTarget(
                metric=reward,
                points=points_of("online_vpo", snapshots),
                baselines=points_of("online_dpo", snapshots),
                steps=shares,
                suite=GOLD,
            ),
            direction="below",
        ),
    )


def claims_on_signs(reward: str) -> tuple[Claim, ...]:
    """The sign of the value term belongs to where the pairs come from."""
    return (
        Claim(
            key="pessimism_belongs_to_fixed_pairs",
            statement="On fixed pairs VPO's reward is above that of its optimistic twin",
            source="Sections on offline and online VPO (the sign)",
            paper_value="not reported",
            evidence=Difference(metric=reward, arm="vpo", baseline="vpo_wrong_sign", suite=GOLD),
        ),
        Claim(
            key="optimism_belongs_to_fresh_pairs",
            statement="On fresh pairs VPO's reward is above that of its pessimistic twin",
            source="Sections on offline and online VPO (the sign)",
            paper_value="not reported",
            evidence=Difference(metric=reward, arm="online_vpo", baseline="online_vpo_wrong_sign", suite=GOLD),
        ),
    )
