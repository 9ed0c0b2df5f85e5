"""What the DR-PO paper claims, as statements that scores can support or refute."""

from flows.reinforcement.matched import GOLD, KL, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, Level

WINS = "win_rate_vs_demonstrations"
ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "dpo": "DPO on the pairs that the reward model was fitted on",
    "ppo": "PPO: every rollout starts at the prompt (beta = 0)",
    "dr_po_0.25": "DR-PO: a quarter of the rollouts start inside a reference response",
    "dr_po_0.5": "DR-PO: half of the rollouts do",
    "dr_po_0.75": "DR-PO: three quarters do",
    "dr_po": "DR-PO: every rollout starts inside a reference response (beta = 1)",
    "dr_po_with_first_token": "DR-PO whose resets may land on the prompt too, so that the first token is trained",
    "ppo_plus_plus": "PPO++: rollouts start inside responses sampled from the SFT model, not inside the data's",
    "ppo_whitened": "PPO with the released code's whitening of token rewards",
    "dr_po_whitened": "DR-PO with the released code's whitening of token rewards",
}
TABLE_2 = {"dr_po_0.25": "61.7 %", "dr_po_0.5": "66.5 %", "dr_po_0.75": "64.3 %"}
"""Win rates against human references at each reset share; PPO's there is 60.7 %."""


def claims_with_gold(snapshots: int, dpo_snapshots: int, greedy: bool) -> tuple[Claim, ...]:
    """Claims where the true reward is known.

    ``snapshots`` are those of a policy-gradient run, ``dpo_snapshots`` those of DPO; ``greedy``: win rates are taken
    at temperature 0, near which the paper decodes, and not where responses are sampled as in training.
    """
    decoded = "@T0" if greedy else ""
    resets, prompts = points_of("dr_po", snapshots), points_of("ppo", snapshots)
    return (
        *claims_on_wins(decoded),
        *claims_on_shares(decoded),
        Claim(
            key="frontier_above_ppo",
            statement="At equal KL to SFT, DR-PO's true reward is above PPO's",
            source="Figure 1 (reward-KL frontier), there by the reward model",
            paper_value="DR-PO's reward is at or above PPO's in every bin of KL",
            evidence=FrontierGap(arms=resets, baselines=prompts, suite=GOLD, kl=KL),
        ),
        Claim(
            key="ppo_frontier_above_dpo",
            statement="At equal KL to SFT, PPO's true reward is above DPO's",
            source="Table 1 and figure 1",
            paper_value="PPO 62.3 % at KL 16.3, DPO 52.6 % at KL 37.3",
            evidence=FrontierGap(arms=prompts, baselines=points_of("dpo", dpo_snapshots), suite=GOLD, kl=KL),
        ),
        *claims_on_proxy(snapshots),
    )


def claims_on_wins(decoded: str) -> tuple[Claim, ...]:
    """Table 1: SFT < DPO < PPO < DR-PO; ``decoded`` is the suffix of the temperature's point."""
    return (
        Claim(
            key="beats_ppo",
            statement="DR-PO wins more often against the references than PPO",
            source="Table 1 (TL;DR)",
            paper_value="70.2 % (1.7) against 62.3 % (2.5), three seeds",
            evidence=Difference(metric=WINS, arm=f"dr_po{decoded}", baseline=f"ppo{decoded}", suite=GOLD),
        ),
        Claim(
            key="beats_references",
            statement="DR-PO beats the references that its rollouts start in",
            source="Table 1 (TL;DR)",
            paper_value="70.2 % against human references",
            evidence=Level(metric=WINS, arm=f"dr_po{decoded}", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="ppo_beats_dpo",
            statement="PPO wins more often against the references than DPO",
            source="Table 1 (TL;DR)",
            paper_value="62.3 % against 52.6 %",
            evidence=Difference(metric=WINS, arm=f"ppo{decoded}", baseline=f"dpo{decoded}", suite=GOLD),
        ),
        Claim(
            key="dpo_beats_sft",
            statement="DPO wins more often against the references than SFT",
            source="Table 1 (TL;DR)",
            paper_value="52.6 % against 31.6 %",
            evidence=Difference(metric=WINS, arm=f"dpo{decoded}", baseline=f"sft{decoded}", suite=GOLD),
        ),
    )


def claims_on_shares(decoded: str) -> tuple[Claim, ...]:
    """Table 2: any reset share above 0 beats none; share 1 is ``beats_ppo``."""
    return tuple(
        Claim(
            key=f"beats_ppo_at_{name.removeprefix('dr_po_')}",
            statement=f"DR-PO with reset share {name.removeprefix('dr_po_')} wins more often than PPO",
            source="Table 2 (TL;DR, one seed)",
            paper_value=f"{found} against PPO's 60.7 %",
            evidence=Difference(metric=WINS, arm=f"{name}{decoded}", baseline=f"ppo{decoded}", suite=GOLD),
        )
        for name, found in TABLE_2.items()
    )


def claims_on_proxy(snapshots: int) -> tuple[Claim, ...]:
    """Claims on the reward model's score, which real data can settle too."""
    return (
        Claim(
            key="higher_proxy_reward",
            statement="DR-PO reaches a higher score of the reward model than PPO",
            source="Table 1 (TL;DR)",
            paper_value="1.52 against 1.17",
            evidence=Difference(metric="proxy_reward", arm="dr_po", baseline="ppo", suite=GOLD),
        ),
        Claim(
            key="proxy_frontier_above_ppo",
            statement="At equal KL to SFT, the reward model's score of DR-PO is above PPO's",
            source="Figure 1 (mean score by bins of KL)",
            paper_value="DR-PO's frontier is at or above PPO's",
            evidence=FrontierGap(
                arms=points_of("dr_po", snapshots),
                baselines=points_of("ppo", snapshots),
                suite=GOLD,
                metric="proxy_reward",
                kl=KL,
            ),
        ),
    )
