"""What the SRPO paper claims, as statements that scores can support or refute."""

from collections.abc import Collection, Sequence

from flows.claims_asked import claims_on_arms
from flows.reinforcement.matched import GOLD
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, InteractionDifference, Trend

WINS, PROXY = "win_rate_vs_demonstrations", "proxy_reward"
LONGER = "longer_posts"
"""The suite of prompts off the training distribution."""
RIVALS = {
    "dpo": "DPO is flat in the number of revisions",
    "ipo": "IPO is flat in the number of revisions",
    "sft": "not reported; SFT on real pairs learns to revise from the same preferences",
}
"""What the paper says of those whose gain by revising SRPO's is compared with."""

ARMS = {
    "sft": "Supervised fine-tuning on answers and revisions; where every arm starts, and the reference policy",
    "dpo": "DPO on answers",
    "ipo": "IPO on answers",
    "srpo": "SRPO: policy and reviser in one model",
    "ipo_equal_tokens": "IPO for three times the steps: as many scored responses as SRPO",
    "best_of_n": "SRPO's first answers, the best of as many as N revisions take, by a reward model of the pairs",
    "dpo_poor": "DPO on pairs of worse responses",
    "ipo_poor": "IPO on pairs of worse responses",
    "srpo_poor": "SRPO on pairs of worse responses",
}


def claims_on(arms: Collection[str], revisions: int, gold: bool, longer: bool) -> tuple[Claim, ...]:
    """The claims on ``arms``; ``gold``: the true reward is known, ``longer``: longer prompts are measured too.

    The SFT model is a rival on real pairs alone: in the tiny world its revisions know nothing of preferences.
    """
    metric = WINS if gold else PROXY
    rivals = [rival for rival in RIVALS if rival in arms and not (gold and rival == "sft")]
    wanted = (
        *claims_on_revisions(rivals, revisions, metric),
        *(claims_on_longer_prompts(revisions, metric) if longer else ()),
        *(claims_on_robustness(metric) if {"srpo", "srpo_poor"} <= set(arms) else ()),
        *claims_on_controls(revisions, metric),
    )
    return claims_on_arms(wanted, arms)


def claims_on_revisions(rivals: Sequence[str], revisions: int, metric: str) -> tuple[Claim, ...]:
    """Figure 3: SRPO rises with every revision, DPO and IPO do not."""
    last = f"N{revisions}"
    rounds = tuple(f"srpo@N{number}" for number in range(revisions + 1))
    return (
        Claim(
            key="revised_beats_dpo",
            statement="After its last self-revision SRPO does better than DPO after as many",
            source="Figure 3 (win rate over human summaries)",
            paper_value="15 points above DPO after 5 revisions, at 90 % (XSum)",
            evidence=Difference(metric=metric, arm=f"srpo@{last}", baseline=f"dpo@{last}", suite=GOLD),
        ),
        Claim(
            key="rises_with_revisions",
            statement="SRPO does better the more self-revisions it makes (slope over their number)",
            source="Figure 3",
            paper_value="rises with each of 5 revisions (TL;DR, XSum)",
            evidence=Trend(metric=metric, arms=rounds, suite=GOLD),
        ),
        *(
            Claim(
                key=f"gains_more_than_{rival}",
                statement=f"Self-revision improves SRPO's answers more than {rival.upper()}'s",
                source="Figure 3",
                paper_value=RIVALS[rival],
                evidence=InteractionDifference(
                    metric=metric,
                    arm=f"srpo@{last}",
                    baseline="srpo@N0",
                    other_arm=f"{rival}@{last}",
                    other_baseline=f"{rival}@N0",
                    suite=GOLD,
                ),
            )
            for rival in rivals
        ),
        Claim(
            key="as_good_as_ipo_unrevised",
            statement="Without revision SRPO is as good as IPO",
            source="Figure 3 (0 revisions)",
            paper_value="near DPO and IPO at 0 revisions; 4 points above both on Arena-Hard",
            evidence=Difference(metric=metric, arm="srpo@N0", baseline="ipo@N0", suite=GOLD),
            direction="within",
            threshold=0.05 if metric == WINS else 0.2,
        ),
    )


def claims_on_longer_prompts(revisions: int, metric: str) -> tuple[Claim, ...]:
    """The headline: summaries of texts unlike those trained on."""
    return (
        Claim(
            key="revised_beats_dpo_on_longer_prompts",
            statement="On prompts longer than any trained on SRPO, revised, does better than DPO, revised",
            source="Abstract and figure 3 (XSum)",
            paper_value="15 points above DPO after 5 revisions, at 90 %",
            evidence=Difference(metric=metric, arm=f"srpo@N{revisions}", baseline=f"dpo@N{revisions}", suite=LONGER),
        ),
    )


def claims_on_robustness(metric: str) -> tuple[Claim, ...]:
    """The optimum does not depend on who sampled the pairs."""
    return tuple(
        Claim(
            key=f"more_robust_than_{rival}",
            statement=f"Pairs of worse responses cost SRPO less than {rival.upper()}",
            source="Section on robustness (the solution is independent of the behaviour distribution)",
            paper_value="proved of the optimum; values not at hand",
            evidence=InteractionDifference(
                metric=metric,
                arm=rival,
                baseline=f"{rival}_poor",
                other_arm="srpo",
                other_baseline="srpo_poor",
                suite=GOLD,
            ),
        )
        for rival in RIVALS
    )


def claims_on_controls(revisions: int, metric: str) -> tuple[Claim, ...]:
    """Whether the gain is more than what the extra tokens of training, or of sampling, buy elsewhere."""
    return (
        Claim(
            key="revised_beats_ipo_at_equal_tokens",
            statement="SRPO, revised, does better than IPO, revised, after as many scored responses",
            source="A control of ours: SRPO scores each pair in three contexts",
            paper_value="not reported",
            evidence=Difference(
                metric=metric, arm=f"srpo@N{revisions}", baseline=f"ipo_equal_tokens@N{revisions}", suite=GOLD
            ),
        ),
        Claim(
            key="revisions_beat_best_of_n",
            statement="Revising does better than choosing among as many first answers by a reward model",
            source="A control of ours: N revisions sample N + 1 answers",
            paper_value="not reported",
            evidence=Difference(metric=metric, arm=f"srpo@N{revisions}", baseline="best_of_n", suite=GOLD),
        ),
    )
