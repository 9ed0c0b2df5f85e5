"""What the A-LoL paper claims, as statements that scores can support or refute."""

from collections.abc import Collection

from flows.claims_asked import claims_on_arms
from flows.reinforcement.matched import GOLD
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, InteractionDifference
from tasks.evaluation.evidence_of_wins import WinRate
from tasks.evaluation.evidence_over_seeds import SEEDS_FOR_A_SPREAD, SpreadDifference

REWARD = "bounded_reward"
NOISY = "-noisy"
"""Ends the name of an arm that learns from the noisy corpus."""
ARMS = {
    "sft": "The policy fitted to the corpus: where every arm starts, pi_ref, and the owner of the value",
    "nll": "As many more steps of likelihood, all responses alike",
    "wbc": "Weighted behaviour cloning: likelihood times reward",
    "r_gold": "Reward GOLD: likelihood times reward times the policy's own token probability",
    "r_lol": "R-LoL: A-LoL with the reward in place of the advantage",
    "a_lol": "A-LoL: advantage times the clipped ratio of the whole response",
    "a_lol_ref_free": "A-LoL without the ratio",
    "a_lol_seq": "A-LoL sequence: advantage times a clipped ratio of every token",
    "a_lol_kl": "A-LoL without the ratio, with a KL term",
    "a_lol_positive": "A-LoL that draws responses of positive advantage uniformly, not by their advantage",
    "a_lol_unfiltered": "A-LoL that draws all responses uniformly, with all steps; negative advantages count as 0",
    "dpo": "DPO on the best against the worst response of each prompt of the corpus (real data: its own pairs)",
    "ppo": "PPO online, on the corpus's prompts",
}


def claims_on(arms: Collection[str], seeds: int, greedy: bool, gold: bool) -> tuple[Claim, ...]:
    """The claims that the trained ``arms`` (noisy ones by their whole names) can settle.

    Those on the spread over ``seeds`` want five of them: fewer cannot tell one spread from another. ``greedy``:
    responses are greedy, as in the paper. ``gold``: the true reward is known, so that responses can be compared by it.
    """
    at = "@T0" if greedy else ""
    claims = [
        *claims_on_reward(at),
        *claims_on_data(at),
        *claims_on_the_filter(at),
        *(claims_on_stability(at) if seeds >= SEEDS_FOR_A_SPREAD else ()),
        *claims_on_diversity(at),
    ]
    return claims_on_arms([*(claims_on_wins(at) if gold else ()), *claims], arms)


def claims_on_wins(at: str) -> tuple[Claim, ...]:
    """Pairwise judgements, all responses decoded alike; the true reward stands for GPT-4 and the annotators."""
    return (
        Claim(
            key="beats_sft",
            statement="A-LoL sequence's responses beat those of the policy it started from",
            source="Section 4 (HHA), GPT-4 and human judgements of helpful and safe",
            paper_value="A-LoL arms are preferred to the reference policy's answers",
            evidence=WinRate(arm=f"a_lol_seq{at}", baseline=f"sft{at}", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="preferred_to_dpo",
            statement="A-LoL sequence's responses win against DPO's more often than not",
            source="Abstract: rated more safe and helpful than the baselines by humans",
            paper_value="A-LoL sequence is rated best among all arms (as reviewers summarise it)",
            evidence=WinRate(arm=f"a_lol_seq{at}", baseline=f"dpo{at}", suite=GOLD),
            threshold=0.5,
        ),
    )


def claims_on_reward(at: str) -> tuple[Claim, ...]:
    """Mean reward against likelihood, weighted likelihood and the other variants."""
    rivals = {
        "nll": ("higher_than_nll", "more likelihood training", "higher mean reward than NLL on every task"),
        "wbc": ("higher_than_wbc", "weighted behaviour cloning", "A-LoL arms above wBC"),
        "r_gold": ("higher_than_r_gold", "reward GOLD", "A-LoL arms above R-GOLD"),
        "r_lol": ("higher_than_r_lol", "R-LoL, which has the reward for the advantage", "advantage above reward"),
    }
    return (
        *(
            Claim(
                key=key,
                statement=f"A-LoL reaches a higher mean reward than {what}",
                source="Tables of mean reward (HHA; Reddit; other tasks)",
                paper_value=value,
                evidence=Difference(metric=REWARD, arm=f"a_lol{at}", baseline=f"{rival}{at}", suite=GOLD),
            )
            for rival, (key, what, value) in rivals.items()
        ),
        Claim(
            key="token_ratios_are_best",
            statement="A-LoL with a ratio for every token reaches a higher reward than with one for the response",
            source="HHA results",
            paper_value="A-LoL sequence is the best variant (as reviewers summarise it)",
            evidence=Difference(metric=REWARD, arm=f"a_lol_seq{at}", baseline=f"a_lol{at}", suite=GOLD),
        ),
    )


def claims_on_data(at: str) -> tuple[Claim, ...]:
    """Clean against noisy data."""
    noisy = f"{NOISY}{at}"
    return (
        Claim(
            key="gap_widens_with_noise",
            statement="A-LoL's lead over likelihood is larger on the noisy corpus than on the clean one",
            source="Noisy data: Reddit comments voted down, Wizard of Wikipedia",
            paper_value="the more of the data is bad, the more A-LoL gains over NLL",
            evidence=InteractionDifference(
                metric=REWARD, arm=f"a_lol{noisy}", baseline=f"nll{noisy}", other_arm=f"a_lol{at}",
                other_baseline=f"nll{at}", suite=GOLD,
            ),
        ),
        Claim(
            key="noisy_nearly_as_good",
            statement="A-LoL on the noisy corpus comes within 0.05 of A-LoL on the clean one",
            source="Reddit: trained on downvoted comments alone",
            paper_value="trained on bad data alone it nearly matches training on good data",
            evidence=Difference(metric=REWARD, arm=f"a_lol{noisy}", baseline=f"a_lol{at}", suite=GOLD),
            direction="within",
            threshold=0.05,
        ),
    )  # fmt: skip


def claims_on_the_filter(at: str) -> tuple[Claim, ...]:
    """Dropping what is not left over, and drawing by advantage."""
    return (
        Claim(
            key="filter_costs_nothing",
            statement="Leaving out responses of negative advantage, with as many fewer steps, loses less than 0.02, "
            "the rest being drawn uniformly",
            source="Section on data filtering (leftover data)",
            paper_value="about a third of HHA's good responses have negative advantage and can be dropped",
            evidence=Difference(metric=REWARD, arm=f"a_lol_positive{at}", baseline=f"a_lol_unfiltered{at}", suite=GOLD),
            threshold=-0.02,
        ),
        Claim(
            key="priority_helps",
            statement="Drawing responses by their advantage is better than drawing those left over uniformly",
            source="Ablation of priority sampling",
            paper_value="priority sampling is above random sampling",
            evidence=Difference(metric=REWARD, arm=f"a_lol{at}", baseline=f"a_lol_positive{at}", suite=GOLD),
        ),
    )


def claims_on_stability(at: str) -> tuple[Claim, ...]:
    """Spread over seeds."""
    return tuple(
        Claim(
            key=f"steadier_than_{rival}",
            statement=f"A-LoL's mean reward varies less between seeds than {rival.upper()}'s",
            source="Stability over seeds (HHA)",
            paper_value="A-LoL's reward over seeds spreads less than that of preference-based and online methods",
            evidence=SpreadDifference(metric=REWARD, arm=f"a_lol{at}", baseline=f"{rival}{at}", suite=GOLD),
            direction="below",
        )
        for rival in ("dpo", "ppo")
    )


def claims_on_diversity(at: str) -> tuple[Claim, ...]:
    """Distinct n-grams and length."""
    diverse = "corpus_distinct_2"
    return (
        *(
            Claim(
                key=f"more_diverse_than_{rival}",
                statement=f"A-LoL's responses have more distinct word pairs than {rival.upper()}'s",
                source="Abstract and HHA table of distinct-1, -2 and -3",
                paper_value="A-LoL arms have the highest diversity of all arms",
                evidence=Difference(metric=diverse, arm=f"a_lol{at}", baseline=f"{rival}{at}", suite=GOLD),
            )
            for rival in ("dpo", "ppo")
        ),
        Claim(
            key="longer_than_ppo",
            statement="A-LoL's responses are longer than PPO's",
            source="HHA table of average length",
            paper_value="PPO's responses are the shorter ones",
            evidence=Difference(metric="response_tokens", arm=f"a_lol{at}", baseline=f"ppo{at}", suite=GOLD),
        ),
    )
