"""What the RLHF Workflow paper claims, as statements that scores can support or refute."""

from collections.abc import Sequence

from flows.reinforcement.matched import GOLD, KL, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Level, Trend
from tasks.evaluation.evidence_at_equal_length import LengthControlledDifference

WINS = "win_rate_vs_demonstrations"
LENGTH = "response_tokens"

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "offline_dpo": "DPO on the run's own labelled pairs: the paper's offline baseline, at equal pairs and steps",
    "offline_dpo_rm": "DPO on pairs that are the iterative arm's but for being sampled from the SFT model throughout",
    "iterative_dpo": "Rounds of DPO on the best and worst of n responses of the policy as it is, by a reward model",
    "iterative_best": "The iterate of it that earns the highest reward on validation prompts",
    "iterative_length_penalty": "The same with a reward that charges for every character (concise)",
    "iterative_moving_reference": "The same with each round's first policy as the reference, as the released loop has",
    "iterative_max_random": "The same with the best against a random other response",
    "iterative_max_max": "The same with the best against the second best",
    "iterative_random": "The same with two random responses, ordered by the reward model",
    "iterative_pairwise": "The same labelled by a pairwise preference model in place of the reward model",
    "iterative_weak_reward": "The same labelled by a reward model that was fitted on few pairs",
    "iterative_biased_reward": "The same labelled by a reward model that was fitted on a length-biased judge's labels",
    "raft": "Rounds of supervised fine-tuning on the best of n responses (rejection sampling)",
}


def sweep_name(responses: int) -> str:
    """The arm of the sweep over n with ``responses`` a prompt."""
    return f"iterative_dpo-n{responses}"


def claims_with_gold(rounds: int, sweep: Sequence[str]) -> tuple[Claim, ...]:
    """Claims where the true reward is known; ``sweep`` are the arms by rising n, the paper's own among them."""
    return (
        *claims_on_wins(),
        *claims_on_rounds("gold_reward", rounds),
        *claims_on_length(rounds),
        *claims_on_rewards(),
        *claims_on_pairs(sweep),
        moving_reference_drifts(),
    )


def claims_on_proxy(rounds: int) -> tuple[Claim, ...]:
    """Claims that real data can settle, by the reward model that labelled the pairs."""
    return (
        Claim(
            key="proxy_beats_offline",
            statement="Iterative DPO reaches a higher score of the reward model than offline DPO",
            source="Table 2, there by judges",
            paper_value="31.3 % against 22.5 % length-controlled win rate (AlpacaEval 2)",
            evidence=Difference(metric="proxy_reward", arm="iterative_dpo", baseline="offline_dpo", suite=GOLD),
        ),
        *claims_on_rounds("proxy_reward", rounds),
        length_grows(rounds),
        penalty_shortens(),
        moving_reference_drifts(),
    )


def claims_on_wins() -> tuple[Claim, ...]:
    """Table 2: SFT < offline DPO < iterative DPO."""
    return (
        Claim(
            key="beats_offline",
            statement="Iterative DPO wins more often than offline DPO on as many pairs and steps",
            source="Table 2",
            paper_value="AlpacaEval 2, length-controlled: 31.3 % against 22.5 % (of unequal numbers of pairs)",
            evidence=Difference(metric=WINS, arm="iterative_dpo", baseline="offline_dpo", suite=GOLD),
        ),
        Claim(
            key="offline_beats_sft",
            statement="Offline DPO beats the SFT model",
            source="Table 2",
            paper_value="AlpacaEval 2, length-controlled: 22.5 % against 10.2 %",
            evidence=Level(metric="win_rate_vs_sft", arm="offline_dpo", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="beats_matched_offline",
            statement="Iterative DPO wins more often than DPO on as many samples of the SFT model by the same reward "
            "model: fresh samples are what helps",
            source="Section 4 (on-policy data and best-of-n exploration); no such control in the paper",
            paper_value="not reported in the paper",
            evidence=Difference(metric=WINS, arm="iterative_dpo", baseline="offline_dpo_rm", suite=GOLD),
        ),
    )


def claims_on_rounds(metric: str, rounds: int) -> tuple[Claim, ...]:
    """The course over the rounds; a single one has none."""
    if rounds < 2:
        return ()
    return (
        Claim(
            key="reward_rises_with_rounds",
            statement="The reward rises from the first round's policy to the last one's",
            source="Section 4, figures over iterations",
            paper_value="the third iterate is the best",
            evidence=Trend(metric=metric, arms=points_of("iterative_dpo", rounds)[1:], suite=GOLD),
        ),
    )


def length_grows(rounds: int) -> Claim:
    """Length over the rounds."""
    return Claim(
        key="length_grows",
        statement="Responses grow with the rounds unless length is charged for",
        source="Table 4 and section 4 (verbosity)",
        paper_value="656 tokens on average after three rounds without a penalty",
        evidence=Trend(metric=LENGTH, arms=points_of("iterative_dpo", rounds), suite=GOLD),
    )


def penalty_shortens() -> Claim:
    """The length penalty's first effect."""
    return Claim(
        key="penalty_shortens",
        statement="A length penalty in the reward makes responses shorter",
        source="Table 4 (concise)",
        paper_value="382 tokens against 656 at lambda 0.001 a character",
        evidence=Difference(metric=LENGTH, arm="iterative_length_penalty", baseline="iterative_dpo", suite=GOLD),
        direction="below",
    )


def claims_on_length(rounds: int) -> tuple[Claim, ...]:
    """Length over the rounds, and what a penalty does to it and to wins at equal length."""
    return (
        length_grows(rounds),
        penalty_shortens(),
        Claim(
            key="penalty_wins_at_equal_length",
            statement="A length penalty in the reward raises the length-controlled win rate",
            source="Table 4 (concise)",
            paper_value="38.1 % against 31.3 % (AlpacaEval 2, length-controlled)",
            evidence=LengthControlledDifference(
                arm="iterative_length_penalty", baseline="iterative_dpo", opponent="sft", suite=GOLD
            ),
        ),
    )


def claims_on_rewards() -> tuple[Claim, ...]:
    """What worse reward models do."""
    return (
        Claim(
            key="weak_reward_hurts",
            statement="A reward model fitted on fewer pairs makes a worse policy",
            source="Table 4 (UltraRM in place of the paper's)",
            paper_value="20.7 % against 31.3 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(
                metric="gold_reward", arm="iterative_weak_reward", baseline="iterative_dpo", suite=GOLD
            ),
            direction="below",
        ),
        Claim(
            key="biased_reward_lengthens",
            statement="A length-biased reward model makes a longer policy",
            source="Table 4 (UltraRM: correlation with length 0.19 against 0.06)",
            paper_value="745 tokens against 656",
            evidence=Difference(metric=LENGTH, arm="iterative_biased_reward", baseline="iterative_dpo", suite=GOLD),
        ),
        Claim(
            key="biased_reward_hurts",
            statement="A length-biased reward model makes a worse policy",
            source="Table 4 (UltraRM)",
            paper_value="20.7 % against 31.3 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(
                metric="gold_reward", arm="iterative_biased_reward", baseline="iterative_dpo", suite=GOLD
            ),
            direction="below",
        ),
    )


def claims_on_pairs(sweep: Sequence[str]) -> tuple[Claim, ...]:
    """How many responses a pair is chosen from, and how; a sweep of one arm has no trend."""
    more = Claim(
        key="more_responses_help",
        statement="The more responses the best and the worst are taken from, the higher the reward",
        source="Section 4 (best-of-n as the exploring policy)",
        paper_value="n = 8; no sweep in the paper",
        evidence=Trend(metric="gold_reward", arms=tuple(sweep), suite=GOLD),
    ) if len(sweep) > 1 else None  # fmt: skip
    chosen = Claim(
        key="best_and_worst_help",
        statement="Best against worst teaches more than two random responses",
        source="Section 4 (exploration) and the released code's choose_type",
        paper_value="max_min is the default; no comparison in the paper",
        evidence=Difference(metric="gold_reward", arm="iterative_dpo", baseline="iterative_random", suite=GOLD),
    )
    return (more, chosen) if more else (chosen,)


def moving_reference_drifts() -> Claim:
    """KL with the reference moved on."""
    return Claim(
        key="moving_reference_drifts",
        statement="With a reference that moves on each round the policy ends further from the SFT model",
        source="Authors' answers on the released code (issues 5, 7 and 18)",
        paper_value="cumulative KL, unstable; the paper's reference stays pi_0",
        evidence=Difference(metric=KL, arm="iterative_moving_reference", baseline="iterative_dpo", suite=GOLD),
    )
