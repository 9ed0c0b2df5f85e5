"""What MA-RLHF claims, as statements that scores can support or refute."""

from collections.abc import Sequence

from flows.reinforcement.matched import GOLD, KL, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, MeanOfArms
from tasks.evaluation.evidence_over_training import StepsToTarget

MACRO, TOKEN, BANDIT, MONTE_CARLO = "ma_5", "ppo", "ma_inf", "ppo_lambda_1"
RULES = ("ma_random", "ma_parse", "ma_perplexity")
"""Arms whose actions end by another rule than a fixed number of tokens."""
REPORTED_SPEED = 1.7
"""The smaller of the paper's two factors."""
SPEED = "parity with vanilla PPO 1.7 to 2 times faster in training"
SCORES = "TL;DR: 2B 0.84 to 1.41 (+68 %), 7B +30 %; HH-RLHF 7B +18 %; WebGPT 7B +8 %"
NOT_REPORTED = "not reported in the paper"

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "ppo": "Token-level PPO: every token is an action (n = 1), lambda 0.95",
    "ppo_lambda_0.99": "Token-level PPO with lambda 0.99",
    "ppo_lambda_1": "Token-level PPO with lambda 1: what less decay alone brings",
    "ma_3": "MA-PPO, actions of 3 tokens",
    "ma_5": "MA-PPO, actions of 5 tokens: the paper's method",
    "ma_10": "MA-PPO, actions of 10 tokens",
    "ma_inf": "MA-PPO with the whole response as one action: a bandit",
    "ma_random": "MA-PPO, lengths of actions drawn from a shuffled list",
    "ma_parse": "MA-PPO, actions are constituents of a few tokens",
    "ma_perplexity": "MA-PPO, an action starts where the reference model's perplexity rises",
    "ma_5_last": "ma_5 with the value of an action's last token (the paper's unit)",
    "ma_5_position": "ma_5 with values weighted by their position in the action",
    "ma_5_joint": "ma_5 with one ratio an action, the product of its tokens' (the paper's formula)",
    "ma_5_code": "ma_5 as the released code has it: mean rewards, the last token an action of its own",
}


def claims_on_proxy(snapshots: int, rules: Sequence[str]) -> tuple[Claim, ...]:
    """Claims on the reward that is maximised (the paper's RM score); ``rules`` are the arms of ``RULES`` that run."""
    return (
        *claims_on_speed(snapshots),
        *claims_on_score(snapshots),
        *claims_on_rules(rules),
        *claims_on_decay(),
    )


def claims_with_gold(snapshots: int, rules: Sequence[str], temperatures: Sequence[float]) -> tuple[Claim, ...]:
    """The same, and those that need the true reward."""
    return (
        *claims_on_proxy(snapshots, rules),
        *claims_on_gold(snapshots),
        *claims_on_temperatures(temperatures),
    )


def sooner(metric: str, snapshots: int, factor: float = 1.0) -> StepsToTarget:
    """Updates MA-PPO needs for PPO's last value, less ``factor`` times what PPO needs; in shares of a run."""
    return StepsToTarget(
        metric=metric,
        points=points_of(MACRO, snapshots),
        baselines=points_of(TOKEN, snapshots),
        steps=tuple(part / snapshots for part in range(snapshots + 1)),
        suite=GOLD,
        factor=factor,
    )


def at_equal_kl(metric: str, snapshots: int) -> FrontierGap:
    """MA-PPO's frontier less PPO's."""
    return FrontierGap(
        metric=metric, arms=points_of(MACRO, snapshots), baselines=points_of(TOKEN, snapshots), suite=GOLD, kl=KL
    )


def claims_on_speed(snapshots: int) -> tuple[Claim, ...]:
    """Updates to the RM score that PPO ends with."""
    return (
        Claim(
            key="reaches_ppo_sooner",
            statement="MA-PPO reaches the RM score that PPO ends with in fewer updates",
            source="Abstract; learning curves of the RM score on TL;DR",
            paper_value=SPEED,
            evidence=sooner("proxy_reward", snapshots),
            direction="below",
        ),
        Claim(
            key="as_much_sooner_as_reported",
            statement="MA-PPO reaches the RM score that PPO ends with at least 1.7 times as fast",
            source="Abstract",
            paper_value=SPEED,
            evidence=sooner("proxy_reward", snapshots, factor=1.0 / REPORTED_SPEED),
            direction="below",
        ),
    )


def claims_on_score(snapshots: int) -> tuple[Claim, ...]:
    """The RM score after equally many updates and at equal KL, and over the length of an action."""
    return (
        Claim(
            key="higher_rm_score",
            statement="After as many updates MA-PPO's RM score is above PPO's",
            source="Abstract; main results, table of RM scores",
            paper_value=SCORES,
            evidence=Difference(metric="proxy_reward", arm=MACRO, baseline=TOKEN, suite=GOLD),
        ),
        Claim(
            key="higher_rm_score_at_equal_kl",
            statement="At equal KL to SFT MA-PPO's RM score is above PPO's",
            source="Our control: faster movement alone would also raise the score",
            paper_value=NOT_REPORTED,
            evidence=at_equal_kl("proxy_reward", snapshots),
        ),
        Claim(
            key="intermediate_length_is_best",
            statement="Actions of 5 tokens bring a higher RM score than the whole response as one action",
            source="Analysis of the number of tokens n (TL;DR)",
            paper_value="n = 5 to 10 best on TL;DR, n = infinity still good",
            evidence=Difference(metric="proxy_reward", arm=MACRO, baseline=BANDIT, suite=GOLD),
        ),
        Claim(
            key="whole_response_beats_ppo",
            statement="The whole response as one action still brings a higher RM score than PPO",
            source="Analysis of the number of tokens n (TL;DR)",
            paper_value="n = infinity is above n = 1",
            evidence=Difference(metric="proxy_reward", arm=BANDIT, baseline=TOKEN, suite=GOLD),
        ),
    )


def claims_on_rules(rules: Sequence[str]) -> tuple[Claim, ...]:
    """Actions that end by another rule than a fixed number of tokens."""
    if not rules:
        return ()
    return (
        Claim(
            key="other_rules_beat_ppo",
            statement="Actions that end by other rules bring a higher RM score than PPO, on average over the rules",
            source="Section 3.2, analysis of termination conditions",
            paper_value="randomised n-grams, parsing and perplexity are all proposed as alternatives to a fixed n",
            evidence=Difference(metric="proxy_reward", arm=MeanOfArms(tuple(rules)), baseline=TOKEN, suite=GOLD),
        ),
    )


def claims_on_decay() -> tuple[Claim, ...]:
    """Lambda decays over T / n actions in place of T tokens: how much of the gain is that?"""
    return (
        Claim(
            key="less_decay_helps_ppo",
            statement="PPO with lambda 1 reaches a higher RM score than with lambda 0.95",
            source="Our control: over fewer, longer steps the same lambda decays less",
            paper_value=NOT_REPORTED,
            evidence=Difference(metric="proxy_reward", arm=MONTE_CARLO, baseline=TOKEN, suite=GOLD),
        ),
        Claim(
            key="more_than_less_decay",
            statement="MA-PPO's RM score is above that of PPO with lambda 1: its gain is not less decay alone",
            source="Our control: over fewer, longer steps the same lambda decays less",
            paper_value=NOT_REPORTED,
            evidence=Difference(metric="proxy_reward", arm=MACRO, baseline=MONTE_CARLO, suite=GOLD),
        ),
    )


def claims_on_gold(snapshots: int) -> tuple[Claim, ...]:
    """Speed, final value and frontier by the true reward, which stands for the paper's GPT-4 and human judges."""
    return (
        Claim(
            key="reaches_ppo_sooner_in_gold",
            statement="MA-PPO reaches the true reward that PPO ends with in fewer updates",
            source="Abstract; learning curves of the RM score on TL;DR",
            paper_value=SPEED,
            evidence=sooner("gold_reward", snapshots),
            direction="below",
        ),
        Claim(
            key="higher_gold_reward",
            statement="After as many updates MA-PPO's true reward is above PPO's",
            source="Main results, pairwise comparison by GPT-4 and by people",
            paper_value="MA-PPO preferred: win rates of 74 to 86 % on TL;DR, HH-RLHF by people 52 and 56 %",
            evidence=Difference(metric="gold_reward", arm=MACRO, baseline=TOKEN, suite=GOLD),
        ),
        Claim(
            key="higher_gold_reward_at_equal_kl",
            statement="At equal KL to SFT MA-PPO's true reward is above PPO's",
            source="Our control: faster movement alone would also raise the reward",
            paper_value=NOT_REPORTED,
            evidence=at_equal_kl("gold_reward", snapshots),
        ),
    )


def claims_on_temperatures(temperatures: Sequence[float]) -> tuple[Claim, ...]:
    """The gain at further sampling temperatures, if any was measured."""
    if not temperatures:
        return ()
    macro, token = (MeanOfArms(tuple(f"{arm}@T{one:g}" for one in temperatures)) for arm in (MACRO, TOKEN))
    return (
        Claim(
            key="holds_over_temperatures",
            statement="MA-PPO's true reward is above PPO's at other sampling temperatures than that of training",
            source="Analysis of robustness over sampling temperatures",
            paper_value="gains hold over temperatures",
            evidence=Difference(metric="gold_reward", arm=macro, baseline=token, suite=GOLD),
        ),
    )
