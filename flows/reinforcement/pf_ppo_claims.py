"""What the PF-PPO paper claims, as statements that scores can support or refute."""

from typing import NamedTuple

from flows.claims_asked import claims_on_arms
from flows.reinforcement.matched import GOLD, KL, points_of
from flows.reinforcement.pf_ppo_config import PFPPOConfig
from flows.reinforcement.pf_ppo_inputs import RELIABILITY
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, MeanOfArms, Trend
from tasks.evaluation.evidence_over_arms import BestOfArms, OrderAgreement

PASSING = "sandbox"
"""The suite of programs that are run: greedy, and sampled as ``arm@T1``."""
FILTERED = ("pf_br", "pf_bw")
"""The two filters that the paper proposes."""
FORETOLD = (
    "ppo_m", "pf_br", "pf_bw", "ppo_top_random", "ppo_top_bottom", "ppo_pow_1", "ppo_pow_2", "ppo_pow_3"
)  # fmt: skip
"""Arms whose order R^2 should foretell: all filters but those that never keep a bad response."""
ABOUT_EQUAL = 0.25
"""Difference of proxy rewards, in deviations of the SFT model's rewards, that still counts as none (ours)."""

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "raft": "RAFT, one round: supervised fine-tuning on the best of N responses by the proxy",
    "dpo": "DPO on the reward model's pairs",
    "ipo": "IPO on the reward model's pairs",
    "kto": "KTO on the reward model's pairs, chosen as desirable and rejected as undesirable",
    "iterative_dpo": "DPO in rounds: the best and the worst of N responses of the current policy by the proxy",
    "ppo_s": "PPO, one response a prompt and N times as many prompts",
    "ppo_m": "PPO on all N responses to a prompt: no filter",
    "pf_bon": "PF-PPO, best of N: only the best response to a prompt",
    "pf_br": "PF-PPO, best and random: the best response and one of the others",
    "pf_bw": "PF-PPO, best and worst response to a prompt",
    "random_2of5": "PPO on random responses to a prompt, as many as PF-PPO keeps: its updates without its filter",
    "ppo_top": "PPO on responses whose reward exceeds a threshold",
    "ppo_top_random": "PPO on those and half of the others",
    "ppo_top_bottom": "PPO on responses above one threshold or below another",
    "ppo_pow_1": "PPO on responses drawn again in proportion to |reward|",
    "ppo_pow_2": "PPO on responses drawn again in proportion to |reward|^2",
    "ppo_pow_3": "PPO on responses drawn again in proportion to |reward|^3",
}


class Truth(NamedTuple):
    """Where the true reward of a policy is found in the scores."""

    metric: str
    suite: str


def claims_of(config: PFPPOConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on its arms, and on real data those on the proxy."""
    if config.data.path:
        claims = claims_on_proxy()
    else:
        sandbox = config.true_reward == "sandbox"
        truth = Truth("pass_at_1", PASSING) if sandbox else Truth("gold_reward", GOLD)
        greedy = not sandbox and 0.0 in config.evaluation.temperatures
        claims = (
            *claims_on_filters(truth),
            *(claims_on_greedy() if greedy else ()),
            *claims_at_equal_kl(config.training.snapshots),
            *claims_on_variants(truth),
            *claims_on_other_methods(truth),
            *claims_on_proxy(),
            *claims_on_reliability(),
            *claims_on_order(truth, tuple(name for name in FORETOLD if name in config.arms)),
        )
    return claims_on_arms(claims, {"sft", *config.arms})


def claims_on_filters(truth: Truth) -> tuple[Claim, ...]:
    """The proposed filters against PPO without them, in true reward."""
    metric, suite = truth
    return (
        Claim(
            key="filter_beats_ppo_m",
            statement="PF-PPO with the better of its filters reaches a higher true reward than PPO on all responses",
            source="Table 2",
            paper_value="HumanEval/MBPP/LeetCode: BR 82.9/75.9/33.0, BW 82.4/76.2/30.4, PPO-M 80.2/75.0/29.8",
            evidence=BestOfArms(metric=metric, arms=FILTERED, baseline="ppo_m", suite=suite),
        ),
        Claim(
            key="br_beats_ppo_m",
            statement="PPO on the best and a random response reaches a higher true reward than on all",
            source="Table 2",
            paper_value="BR 82.9/75.9/33.0, PPO-M 80.2/75.0/29.8",
            evidence=Difference(metric=metric, arm="pf_br", baseline="ppo_m", suite=suite),
        ),
        Claim(
            key="bw_beats_ppo_m",
            statement="PPO on the best and the worst response reaches a higher true reward than on all",
            source="Table 2",
            paper_value="BW 82.4/76.2/30.4, PPO-M 80.2/75.0/29.8",
            evidence=Difference(metric=metric, arm="pf_bw", baseline="ppo_m", suite=suite),
        ),
        Claim(
            key="filter_beats_equal_updates",
            statement="It is the filter: PF-PPO beats PPO on as many responses chosen at random",
            source="Table 4 (2n of 5n responses are trained on); the control is ours",
            paper_value="not reported in the paper",
            evidence=BestOfArms(metric=metric, arms=FILTERED, baseline="random_2of5", suite=suite),
        ),
        Claim(
            key="ppo_m_beats_ppo_s",
            statement="Several responses to a prompt beat one response to several times as many prompts",
            source="Table 2",
            paper_value="PPO-M 80.2/75.0/29.8, PPO-S 78.1/73.8/25.2",
            evidence=Difference(metric=metric, arm="ppo_m", baseline="ppo_s", suite=suite),
        ),
        Claim(
            key="best_of_n_filter_is_worse",
            statement="Keeping only the best response is worse than no filter",
            source="Table 2",
            paper_value="BoN 75.8/71.7/16.8, PPO-M 80.2/75.0/29.8",
            evidence=Difference(metric=metric, arm="pf_bon", baseline="ppo_m", suite=suite),
            direction="below",
        ),
    )


def claims_on_greedy() -> tuple[Claim, ...]:
    """The same under the paper's decoding."""
    return (
        Claim(
            key="filter_beats_ppo_m_greedily",
            statement="PF-PPO beats PPO on all responses under greedy decoding too",
            source="Table 2 (greedy pass@1)",
            paper_value="BR 82.9/75.9/33.0, BW 82.4/76.2/30.4, PPO-M 80.2/75.0/29.8",
            evidence=BestOfArms(
                metric="gold_reward", arms=tuple(f"{name}@T0" for name in FILTERED), baseline="ppo_m@T0", suite=GOLD
            ),
        ),
    )


def claims_at_equal_kl(snapshots: int) -> tuple[Claim, ...]:
    """Whether a filter buys more true reward, or only more or less movement."""
    filtered = tuple(point for name in FILTERED for point in points_of(name, snapshots))
    return (
        Claim(
            key="filter_beats_ppo_m_at_equal_kl",
            statement="At equal KL to SFT, PF-PPO's true reward is above that of PPO on all responses",
            source="Our check of table 2",
            paper_value="not reported in the paper",
            evidence=FrontierGap(arms=filtered, baselines=points_of("ppo_m", snapshots), suite=GOLD, kl=KL),
        ),
    )


def claims_on_variants(truth: Truth) -> tuple[Claim, ...]:
    """Other ways to prefer extreme rewards (section 5.6)."""
    metric, suite = truth
    return (
        Claim(
            key="bad_responses_are_needed",
            statement="Responses above one threshold or below another teach more than those above it alone",
            source="Table 3",
            paper_value="HumanEval/MBPP: top-bottom 81.7/75.4, top 80.5/71.2",
            evidence=Difference(metric=metric, arm="ppo_top_bottom", baseline="ppo_top", suite=suite),
        ),
        Claim(
            key="higher_power_is_better",
            statement="The more weight extreme rewards have, the higher the true reward",
            source="Table 3",
            paper_value="HumanEval/MBPP: pow-1 81.0/74.2, pow-2 81.3/75.4, pow-3 81.9/76.5",
            evidence=Trend(metric=metric, arms=("ppo_pow_1", "ppo_pow_2", "ppo_pow_3"), suite=suite),
        ),
    )


def claims_on_other_methods(truth: Truth) -> tuple[Claim, ...]:
    """PF-PPO against methods without a policy gradient."""
    metric, suite = truth
    others = {
        "dpo": ("DPO", "DPO 78.4/73.7/23.0"),
        "iterative_dpo": ("DPO in rounds", "iterative DPO 78.1/74.8/23.8"),
        "raft": ("RAFT", "RAFT 76.9/71.3/17.8"),
    }
    return tuple(
        Claim(
            key=f"filter_beats_{name}",
            statement=f"PF-PPO reaches a higher true reward than {title}",
            source="Table 2",
            paper_value=f"BR 82.9/75.9/33.0, BW 82.4/76.2/30.4, {value}",
            evidence=BestOfArms(metric=metric, arms=FILTERED, baseline=name, suite=suite),
        )
        for name, (title, value) in others.items()
    )


def claims_on_proxy() -> tuple[Claim, ...]:
    """What the reward model itself says, which needs no true reward."""
    return (
        Claim(
            key="ppo_raises_the_proxy",
            statement="PPO raises the reward that it maximises",
            source="What PPO is for (section 4)",
            paper_value="not reported as a number",
            evidence=Difference(metric="proxy_reward", arm="ppo_m", baseline="sft", suite=GOLD),
        ),
        Claim(
            key="proxy_is_about_equal",
            statement="PF-PPO and PPO on all responses reach about the same proxy reward",
            source="Expected from the comparison of PF-PPO and PPO-M (table 2); the equality is tested as ours",
            paper_value=f"no number known; here within {ABOUT_EQUAL:g} deviations of SFT rewards",
            evidence=Difference(metric="proxy_reward", arm=MeanOfArms(FILTERED), baseline="ppo_m", suite=GOLD),
            direction="within",
            threshold=ABOUT_EQUAL,
        ),
    )


def claims_on_reliability() -> tuple[Claim, ...]:
    """R^2 between reward and true score before training.

    A filter keeps fewer responses, and fewer in a bin lower R^2 by themselves: each is compared with all responses, as
    in the paper, and with as many chosen at random.
    """
    values = "BW .952, BR .922, none .886, BoN .454 (SFT policy)"
    compared = {"ppo_m": ("of all", "all", values), "random_2of5": ("of as many at random", "random", "not reported")}
    above = (
        Claim(
            key=f"{name.removeprefix('pf_')}_is_more_reliable_than_{short}",
            statement=f"Rewards of the {what} responses tell the true reward better than those {title}",
            source="Table 1" if short == "all" else "Our check of table 1",
            paper_value=value,
            evidence=Difference(metric="filter_r2", arm=name, baseline=baseline, suite=RELIABILITY),
        )
        for baseline, (title, short, value) in compared.items()
        for name, what in (("pf_bw", "best and worst"), ("pf_br", "best and random"))
    )
    return (
        *above,
        Claim(
            key="best_of_n_is_less_reliable",
            statement="Rewards of the best responses alone tell the true reward worse than those of all",
            source="Table 1",
            paper_value=values,
            evidence=Difference(metric="filter_r2", arm="pf_bon", baseline="ppo_m", suite=RELIABILITY),
            direction="below",
        ),
    )


def claims_on_order(truth: Truth, arms: tuple[str, ...]) -> tuple[Claim, ...]:
    """Whether R^2 before training foretells the order after it; fewer than three arms have none to speak of."""
    if len(arms) < 3:
        return ()
    return (
        Claim(
            key="r2_foretells_the_order",
            statement="R^2 on the SFT model's responses puts the filters in the order of the true reward they end with",
            source="Section 4, tables 1-3 (BoN-like filters excepted)",
            paper_value="Table 3: R^2 .889, .926, .927, .939, .946 with HumanEval 81.9, 81.0, 81.7, 81.3, 81.9",
            evidence=OrderAgreement(
                metric="filter_r2", suite=RELIABILITY, other_metric=truth.metric, other_suite=truth.suite, arms=arms
            ),
        ),
    )
