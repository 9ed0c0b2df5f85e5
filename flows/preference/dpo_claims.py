"""What the DPO paper claims, as statements that scores can support or refute."""

from collections.abc import Mapping, Sequence

from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, InteractionDifference, Level, Trend

GOLD, PAIRS = "gold", "held_out_pairs"
KL = "token_kl"
"""The KL that claims compare: exact a token, so with less noise than the log-ratio of one sampled response."""

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "preferred_ft": "Supervised fine-tuning on the chosen responses of the pairs",
    "best_of_n": "SFT decoded n times, the response kept that a reward model fitted on the pairs prefers",
    "best_of_n_implicit": "The same samples, the response kept that the DPO policy's implicit reward prefers",
    "dpo": "DPO",
    "ppo": "PPO on a reward model fitted on the pairs, with the KL steered to a target",
    "ppo_gt": "PPO on the tiny world's true reward",
    "cdpo": "Conservative DPO: labels smoothed as if a share of them were flipped",
    "ipo": "IPO on summed log-probabilities",
    "slic": "SLiC-HF's hinge on the DPO statistic",
}


def claims_with_gold(
    snapshots: int, betas: Sequence[float], beta: float, rivals: Mapping[str, tuple[str, ...]], greedy: bool
) -> tuple[Claim, ...]:
    """Claims where the true reward is known.

    ``betas`` are the sweep's, ``beta`` the paper arm's own; ``rivals`` are the points of the frontiers of ``ppo`` and
    ``ppo_gt``; ``greedy``: the arms are decoded at temperature 0 too.
    """
    shares = [f"{round(100 * part / snapshots)}%" for part in range(1, snapshots)]
    sweep = {beta: "dpo", **{other: f"dpo-beta-{other:g}" for other in betas}}
    ordered = tuple(sweep[key] for key in sorted(sweep))
    return (
        *claims_on_reward(),
        *claims_on_frontier(ordered, shares),
        *claims_on_ppo(frontier_of(ordered, shares), rivals),
        *(claims_on_temperatures() if greedy else ()),
        *claims_on_betas(ordered),
        *claims_on_budget(shares),
        *claims_on_pairs(),
    )


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
    preferred = ("preferred_ft", *(f"preferred_ft@{share}" for share in shares))
    return (
        Claim(
            key="frontier_dominates",
            statement="At equal KL to SFT, DPO's reward is above Preferred-FT's",
            source="Figure 2 left (reward-KL frontier)",
            paper_value="DPO's frontier strictly dominates every other method's",
            evidence=FrontierGap(arms=frontier_of(ordered, shares), baselines=("sft", *preferred), suite=GOLD, kl=KL),
        ),
    )


def frontier_of(ordered: Sequence[str], shares: Sequence[str]) -> tuple[str, ...]:
    """The points of DPO's frontier: the common start, and every checkpoint at every beta."""
    return ("sft", *(f"{name}{suffix}" for name in ordered for suffix in ["", *(f"@{share}" for share in shares)]))


def claims_on_ppo(frontier: tuple[str, ...], rivals: Mapping[str, tuple[str, ...]]) -> tuple[Claim, ...]:
    """Reward at equal KL against PPO on the fitted reward and on the true one."""
    return (
        Claim(
            key="frontier_above_ppo",
            statement="At equal KL to SFT, DPO's reward is above that of PPO on a fitted reward",
            source="Section 6.1, figure 2 left (reward-KL frontier)",
            paper_value="DPO's frontier strictly dominates PPO's",
            evidence=FrontierGap(arms=frontier, baselines=rivals["ppo"], suite=GOLD, kl=KL),
        ),
        Claim(
            key="frontier_above_ppo_gt",
            statement="At equal KL to SFT, DPO's reward is above that of PPO on the true reward",
            source="Section 6.1, figure 2 left (reward-KL frontier)",
            paper_value="DPO's frontier is above PPO's even where PPO has the true reward (PPO-GT)",
            evidence=FrontierGap(arms=frontier, baselines=rivals["ppo_gt"], suite=GOLD, kl=KL),
        ),
    )


def claims_on_temperatures() -> tuple[Claim, ...]:
    """DPO against PPO, decoded greedily and sampled."""
    wins = "win_rate_vs_demonstrations"
    return (
        Claim(
            key="beats_ppo_greedily",
            statement="Decoded greedily, DPO wins more often against the demonstrators' answers than PPO",
            source="Section 6.2, figure 2 right (TL;DR)",
            paper_value="about 61 % against PPO's 57 %, both at temperature 0",
            evidence=Difference(metric=wins, arm="dpo@T0", baseline="ppo@T0", suite=GOLD),
        ),
        Claim(
            key="robust_to_temperature",
            statement="DPO loses less win rate than PPO when responses are sampled and not decoded greedily",
            source="Section 6.2, figure 2 right (TL;DR)",
            paper_value="PPO falls to the base model's level at high temperatures, DPO far less",
            evidence=InteractionDifference(
                metric=wins, arm="dpo", baseline="dpo@T0", other_arm="ppo", other_baseline="ppo@T0", suite=GOLD
            ),
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
