"""What the DPO paper claims, as statements that scores can support or refute."""

from collections.abc import Sequence

from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, Level, Trend

GOLD, PAIRS = "gold", "held_out_pairs"
KL = "token_kl"
"""The KL that claims compare: exact a token, so with less noise than the log-ratio of one sampled response."""

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "preferred_ft": "Supervised fine-tuning on the chosen responses of the pairs",
    "best_of_n": "SFT decoded n times, the response kept that the DPO policy's implicit reward prefers",
    "dpo": "DPO",
    "cdpo": "Conservative DPO: labels smoothed as if a share of them were flipped",
    "ipo": "IPO on summed log-probabilities",
    "slic": "SLiC-HF's hinge on the DPO statistic",
}


def claims_with_gold(snapshots: int, betas: Sequence[float], beta: float) -> tuple[Claim, ...]:
    """Claims where the true reward is known. ``betas`` are the sweep's, ``beta`` the paper arm's own."""
    shares = [f"{round(100 * part / snapshots)}%" for part in range(1, snapshots)]
    sweep = {beta: "dpo", **{other: f"dpo-beta-{other:g}" for other in betas}}
    ordered = tuple(sweep[key] for key in sorted(sweep))
    trends = (*claims_on_betas(ordered), *claims_on_budget(shares))
    return (*claims_on_reward(), *claims_on_frontier(ordered, shares), *trends, *claims_on_pairs())


def claims_on_reward() -> tuple[Claim, ...]:
    """DPO against the other arms."""
    return (
        Claim(
            key="beats_sft",
            statement="DPO's responses beat the SFT model's",
            source="Section 6.1-6.2, figures 2 and 3",
            paper_value="TL;DR: 61 % against reference summaries at temperature 0, above SFT at every temperature",
            evidence=Level(metric="win_rate_vs_sft", arm="dpo", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="beats_references",
            statement="DPO decoded greedily beats the demonstrators' own answers",
            source="Figure 2 right (TL;DR)",
            paper_value="about 61 % against reference summaries at temperature 0",
            evidence=Level(metric="win_rate_vs_demonstrations", arm="dpo@T0", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="beats_preferred_ft",
            statement="DPO reaches a higher reward than fine-tuning on the chosen responses",
            source="Figures 2 and 3",
            paper_value="Preferred-FT stays near SFT; DPO is far above",
            evidence=Difference(metric="gold_reward", arm="dpo", baseline="preferred_ft", suite=GOLD),
        ),
        Claim(
            key="as_good_as_best_of_n",
            statement="DPO matches Best-of-n: their win rates over SFT differ by less than 10 points",
            source="Section 6.2, figure 3 (dialogue)",
            paper_value="similar to Best-of-128",
            evidence=Difference(metric="win_rate_vs_sft", arm="dpo", baseline="best_of_n", suite=GOLD),
            direction="within",
            threshold=0.1,
        ),
    )


def claims_on_frontier(ordered: Sequence[str], shares: Sequence[str]) -> tuple[Claim, ...]:
    """Reward at equal KL; ``ordered`` are DPO's arms by rising beta, ``shares`` their checkpoints before the last."""
    frontier = tuple(f"{name}{suffix}" for name in ordered for suffix in ["", *(f"@{share}" for share in shares)])
    preferred = ("preferred_ft", *(f"preferred_ft@{share}" for share in shares))
    return (
        Claim(
            key="frontier_dominates",
            statement="At equal KL to SFT, DPO's reward is above Preferred-FT's",
            source="Figure 2 left (reward-KL frontier)",
            paper_value="DPO's frontier strictly dominates every other method's",
            evidence=FrontierGap(arms=("sft", *frontier), baselines=("sft", *preferred), suite=GOLD, kl=KL),
        ),
    )


def claims_on_betas(ordered: Sequence[str]) -> tuple[Claim, ...]:
    """KL over the sweep, by rising beta; a sweep of one has no trend."""
    if len(ordered) < 2:
        return ()
    return (
        Claim(
            key="beta_sets_kl",
            statement="A larger beta keeps the policy closer to the reference",
            source="Section 4; figure 2 left, sweep over beta",
            paper_value="beta 0.05, 0.1, 1, 5 trace the frontier from far to near",
            evidence=Trend(metric=KL, arms=tuple(ordered), suite=GOLD),
            direction="below",
        ),
    )


def claims_on_budget(shares: Sequence[str]) -> tuple[Claim, ...]:
    """Reward over the checkpoints of one epoch; a single checkpoint has no trend."""
    if not shares:
        return ()
    return (
        Claim(
            key="more_pairs_more_reward",
            statement="Reward rises with the number of pairs seen",
            source="Figure 3 right (win rate over training)",
            paper_value="DPO converges to its best performance quickly",
            evidence=Trend(metric="gold_reward", arms=(*(f"dpo@{share}" for share in shares), "dpo"), suite=GOLD),
        ),
    )


def claims_on_pairs() -> tuple[Claim, ...]:
    """Claims that need held-out preference pairs alone, so that real data can settle them."""
    return (
        Claim(
            key="implicit_reward_generalises",
            statement="The implicit reward ranks held-out pairs better than chance",
            source="Section 5; official training metric rewards_eval/accuracies",
            paper_value="not reported in the paper",
            evidence=Level(metric="implicit_accuracy", arm="dpo", suite=PAIRS),
            threshold=0.5,
        ),
        Claim(
            key="margin_grows",
            statement="The margin of implicit rewards on held-out pairs is positive after training",
            source="Section 4, gradient of Eq. 7",
            paper_value="the update raises chosen over rejected",
            evidence=Level(metric="margin", arm="dpo", suite=PAIRS),
        ),
        Claim(
            key="chosen_log_prob_falls",
            statement="The log-probability of chosen responses falls below the reference's",
            source="Known behaviour of the official code (issues 8, 32, 36)",
            paper_value="not reported in the paper",
            evidence=Level(metric="chosen_log_ratio", arm="dpo", suite=PAIRS),
            direction="below",
        ),
    )
