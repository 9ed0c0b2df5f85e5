"""What the INPO paper claims, as statements that scores can support or refute."""

from itertools import pairwise

from flows.reinforcement.matched import GOLD, KL, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Level, Trend
from tasks.evaluation.evidence_of_wins import WinRate

WINS = "win_rate_vs_demonstrations"

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "iterative_dpo_rm": "Rounds of DPO on the best and worst of 8 responses by a Bradley-Terry reward model",
    "iterative_dpo_pm": "Rounds of DPO on champion and last of a tournament by a pairwise preference model",
    "sppo": "SPPO: rounds of regressing log-ratios on win rates against the policy's own samples (pairwise model)",
    "inpo_rm": "INPO with the reward model as its oracle",
    "inpo_pm": "INPO with the pairwise preference model as its oracle",
    "inpo_no_kl": "INPO by the pairwise model without the KL to the SFT model (tau = 0)",
    "inpo_rm_no_kl": "INPO by the reward model without the KL to the SFT model (tau = 0)",
}


def claims_with_gold(rounds: int) -> tuple[Claim, ...]:
    """Claims where the true reward is known."""
    return (*claims_on_wins(), *claims_on_kl(), *claims_on_rounds(rounds))


def claims_on_proxy(rounds: int) -> tuple[Claim, ...]:
    """Claims that real data can settle, by the reward model fitted on its pairs."""
    return (
        Claim(
            key="proxy_beats_dpo",
            statement="By a reward model's score INPO is above iterative DPO with the same reward model",
            source="Table 1, there by judges",
            paper_value="37.6 % against 28.3 % length-controlled win rate (AlpacaEval 2)",
            evidence=Difference(metric="proxy_reward", arm="inpo_rm", baseline="iterative_dpo_rm", suite=GOLD),
        ),
        *(proxy_rises(rounds) if rounds > 1 else ()),
        kl_holds(),
    )


def proxy_rises(rounds: int) -> tuple[Claim, ...]:
    """The course over two rounds or more."""
    return (
        Claim(
            key="proxy_rises_with_rounds",
            statement="The reward model's score of INPO rises from the first round's policy to the last one's",
            source="Algorithm 1 (the last iterate is kept)",
            paper_value="not reported in the paper",
            evidence=Trend(metric="proxy_reward", arms=points_of("inpo_rm", rounds)[1:], suite=GOLD),
        ),
    )


def claims_on_wins() -> tuple[Claim, ...]:
    """Table 1: SFT < iterative DPO < SPPO < INPO, and the pairwise oracle above the reward model."""
    return (
        Claim(
            key="beats_dpo",
            statement="INPO wins more often than iterative DPO with the same pairwise oracle",
            source="Table 1",
            paper_value="42.6 % against 28.5 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(metric=WINS, arm="inpo_pm", baseline="iterative_dpo_pm", suite=GOLD),
        ),
        Claim(
            key="beats_dpo_by_reward_model",
            statement="INPO wins more often than iterative DPO with the same reward model",
            source="Table 1",
            paper_value="37.6 % against 28.3 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(metric=WINS, arm="inpo_rm", baseline="iterative_dpo_rm", suite=GOLD),
        ),
        Claim(
            key="beats_sppo",
            statement="INPO wins more often than SPPO",
            source="Table 1",
            paper_value="42.6 % against 32.8 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(metric=WINS, arm="inpo_pm", baseline="sppo", suite=GOLD),
        ),
        Claim(
            key="sppo_beats_dpo",
            statement="SPPO wins more often than iterative DPO with the same pairwise oracle",
            source="Table 1",
            paper_value="32.8 % against 28.5 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(metric=WINS, arm="sppo", baseline="iterative_dpo_pm", suite=GOLD),
        ),
        Claim(
            key="beats_sft",
            statement="INPO beats the SFT model",
            source="Table 1",
            paper_value="42.6 % against SFT's 16.0 % (AlpacaEval 2, length-controlled)",
            evidence=Level(metric="win_rate_vs_sft", arm="inpo_pm", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="pairwise_oracle_helps",
            statement="INPO wins more often with a pairwise preference model than with a reward model",
            source="Table 1",
            paper_value="42.6 % against 37.6 %; expected where preferences are intransitive, which ours are not",
            evidence=Difference(metric=WINS, arm="inpo_pm", baseline="inpo_rm", suite=GOLD),
        ),
    )


def claims_on_kl() -> tuple[Claim, ...]:
    """Table 3: what the KL to the SFT model is good for."""
    return (
        Claim(
            key="kl_helps",
            statement="INPO wins more often with the KL to the SFT model than without it",
            source="Table 3 (pairwise oracle)",
            paper_value="42.6 % against 41.6 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(metric=WINS, arm="inpo_pm", baseline="inpo_no_kl", suite=GOLD),
        ),
        Claim(
            key="kl_helps_by_reward_model",
            statement="INPO by a reward model wins more often with the KL to the SFT model than without it",
            source="Table 3 (reward model)",
            paper_value="37.6 % against 35.4 % (AlpacaEval 2, length-controlled)",
            evidence=Difference(metric=WINS, arm="inpo_rm", baseline="inpo_rm_no_kl", suite=GOLD),
        ),
        kl_holds(),
    )


def kl_holds() -> Claim:
    """What tau does."""
    return Claim(
        key="kl_holds",
        statement="Without its KL to the SFT model INPO ends further from it",
        source="Section 3 (tau) and table 3",
        paper_value="not reported in the paper",
        evidence=Difference(metric=KL, arm="inpo_no_kl", baseline="inpo_pm", suite=GOLD),
    )


def claims_on_rounds(rounds: int) -> tuple[Claim, ...]:
    """Every policy against the one that it was trained to beat."""
    return tuple(
        Claim(
            key=f"round_{number}_beats_the_one_before",
            statement=f"INPO's policy after round {number} beats the policy that it played against",
            source="Section 3 (the next policy is the mirror-descent answer to the current one)",
            paper_value="not reported in the paper",
            evidence=WinRate(arm=later, baseline=earlier, suite=GOLD),
            threshold=0.5,
        )
        for number, (earlier, later) in enumerate(pairwise(points_of("inpo_pm", rounds)), start=1)
    )
