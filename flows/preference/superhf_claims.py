"""What the SuperHF paper claims, as statements that scores can support or refute."""

from collections.abc import Collection, Sequence

from flows.claims_asked import claims_on_arms
from flows.reinforcement.matched import GOLD
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Trend
from tasks.evaluation.evidence_over_seeds import SEEDS_FOR_A_SPREAD, SpreadDifference

TEST, TRAIN, LIKENESS = "test_reward", "proxy_reward", "meteor_across_prompts"
ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the KL prior",
    "superhf": "SuperHF: the best of S completions of the current policy, few prompts at a time, with a KL prior",
    "rft": "Rejection-sampling fine-tuning in a single pass: SuperHF with all prompts in one group, at the peak rate "
    "throughout since the schedule moves once a group",
    "best_of_n": "Best-of-n of the SFT model at inference, chosen by the reward model of training",
    "ppo": "PPO on the same reward model and prompts, with a budget of its own",
    "ppo_equal_samples": "PPO that samples as many completions in all as SuperHF",
}


def claims_on(
    arms: Collection[str],
    seeds: int,
    gold: bool,
    weights: Sequence[str],
    superbatches: Sequence[str],
    groups: Sequence[str],
) -> tuple[Claim, ...]:
    """The claims that ``arms`` can settle.

    Those on the spread over ``seeds`` want five of them. ``gold``: the true reward is known. ``weights``,
    ``superbatches`` and ``groups`` are the arms of the sweeps over lambda_KL, S and P, by rising value.
    """
    claims = [
        *claims_on_reward(),
        *(claims_on_gold() if gold else ()),
        *(claims_on_stability() if seeds >= SEEDS_FOR_A_SPREAD else ()),
        *claims_on_weights(weights),
        *claims_on_superbatches(superbatches),
        *claims_on_groups(groups),
    ]
    return claims_on_arms(claims, arms)


def claims_on_reward() -> tuple[Claim, ...]:
    """The reward model that training never sees."""
    return (
        _higher(
            "beats_ppo",
            "SuperHF reaches a higher held-out reward than PPO",
            "ppo",
            "LLaMA: -0.087 +/- 0.094 against -0.394 +/- 0.070; Instruct: 0.266 +/- 0.138 against 0.092 +/- 0.134",
        ),
        _higher(
            "beats_ppo_at_equal_samples",
            "It does so too where PPO samples as many completions",
            "ppo_equal_samples",
            "not in the paper, whose SuperHF samples 16 times as many completions as its PPO",
        ),
        _higher(
            "beats_best_of_n",
            "SuperHF reaches a higher held-out reward than best-of-n at inference",
            "best_of_n",
            "LLaMA: -0.087 against -0.293 (n = 16)",
        ),
        _higher(
            "beats_start",
            "SuperHF reaches a higher held-out reward than its start",
            "sft",
            "LLaMA: -0.087 against -0.535",
        ),
        _higher(
            "iterating_helps",
            "Sampling anew for every few prompts is better than a single pass over the best of all",
            "rft",
            "all prompts at once 0.29, 16 at a time 0.50",
        ),
    )


def claims_on_gold() -> tuple[Claim, ...]:
    """The true reward, which the paper does not have: a held-out reward model under-detects hacking."""
    return (
        Claim(
            key="true_reward_rises",
            statement="SuperHF raises the true reward as well",
            source="GPT-4 preferences (Elo)",
            paper_value="Elo 1534 for SuperHF (Instruct), 1511 for its start: within noise",
            evidence=Difference(metric="gold_reward", arm="superhf", baseline="sft", suite=GOLD),
        ),
    )


def claims_on_stability() -> tuple[Claim, ...]:
    """Spread over seeds."""
    return (
        Claim(
            key="steadier_than_ppo",
            statement="SuperHF's held-out reward varies less between seeds than PPO's",
            source="Reward over 20 seeds; sweeps over hyperparameters",
            paper_value="85 % of sweep runs improve against 15 %; yet over 20 seeds standard deviations are 0.094 "
            "against 0.070 and 0.138 against 0.134, which says the opposite",
            evidence=SpreadDifference(metric=TEST, arm="superhf", baseline="ppo", suite=GOLD),
            direction="below",
        ),
    )


def claims_on_weights(weights: Sequence[str]) -> tuple[Claim, ...]:
    """The sweep over lambda_KL; one value has no trend."""
    if len(weights) < 2:
        return ()
    ordered = tuple(weights)
    return (
        Claim(
            key="prior_costs_training_reward",
            statement="A larger weight of the KL prior lowers the reward of training",
            source="Sweep over lambda_KL from 0 to 0.5",
            paper_value="1.30 at 0, 0.86 at 0.1, 0.49 at 0.4 (not monotone, single seeds)",
            evidence=Trend(metric=TRAIN, arms=ordered, suite=GOLD),
            direction="below",
        ),
        Claim(
            key="prior_prevents_collapse",
            statement="A larger weight of the KL prior keeps responses to different prompts less alike",
            source="METEOR similarity against lambda_KL",
            paper_value="low KL weights come with high similarity between completions: mode collapse",
            evidence=Trend(metric=LIKENESS, arms=ordered, suite=GOLD),
            direction="below",
        ),
    )


def claims_on_superbatches(superbatches: Sequence[str]) -> tuple[Claim, ...]:
    """The sweep over S; one value has no trend."""
    if len(superbatches) < 2:
        return ()
    return (
        Claim(
            key="superbatch_helps",
            statement="Held-out reward rises with the number of completions a prompt",
            source="Sweep over S from 1 to 128",
            paper_value="-0.28 at 1, 0.34 at 2, 0.33 at 4, 0.40 at 8, 0.52 at 16 and 32, 0.42 at 128",
            evidence=Trend(metric=TEST, arms=tuple(superbatches), suite=GOLD),
        ),
    )


def claims_on_groups(groups: Sequence[str]) -> tuple[Claim, ...]:
    """The sweep over P; one value has no trend."""
    if len(groups) < 2:
        return ()
    return (
        Claim(
            key="smaller_groups_help",
            statement="Held-out reward falls with the number of prompts that are sampled for at once",
            source="Sweep over prompt accumulation, 1 to all",
            paper_value="0.50 at 16 prompts, 0.29 at all",
            evidence=Trend(metric=TEST, arms=tuple(groups), suite=GOLD),
            direction="below",
        ),
    )


def _higher(key: str, statement: str, baseline: str, value: str) -> Claim:
    return Claim(
        key=key,
        statement=statement,
        source="Mean reward of the held-out reward model",
        paper_value=value,
        evidence=Difference(metric=TEST, arm="superhf", baseline=baseline, suite=GOLD),
    )
