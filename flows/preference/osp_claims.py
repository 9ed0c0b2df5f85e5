"""What the OSP paper claims, as statements that scores can support or refute.

The paper's text was not at hand; claims are those of its abstract and summaries.
"""

from flows.reinforcement.matched import GOLD, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, InteractionDifference, Level, Trend

JUDGE = "judge"
"""The suite of the judges: held-out pairs that neither fitted nor calibrated them."""

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "offline_dpo": "DPO on the pairs that the judge was fitted on, as many and for as many steps",
    "online_dpo_hard": "OSP's pairs, judged by the same model, with hard labels in place of strengths",
    "osp": "OSP: ranked pairs (rank i with rank i + K/2) of fresh responses, strengths by the model's own judgement",
    "osp_adjacent": "OSP with pairs of neighbouring ranks",
    "osp_best_worst": "OSP with the best and the worst alone, of as many responses",
    "osp_all": "OSP with every pair of responses",
    "osp_gold": "OSP with the true probabilities of preference: what a perfect judge would give",
    "osp_corrupted": "OSP with a judge fitted and calibrated on pairs of which many labels are flipped",
    "osp_few": "OSP with a judge fitted on few pairs",
    "rm_best_of_n": "Supervised fine-tuning on the best of K responses by a reward model of the same pairs, in rounds",
    "rm_ppo": "PPO on a reward model fitted on the same pairs",
    "rm_ppo_few": "PPO on a reward model fitted on few pairs",
}


def claims_with_gold(snapshots: int) -> tuple[Claim, ...]:
    """Claims where the true reward is known; ``snapshots`` are those of an arm's run."""
    return (*claims_on_strength(), *claims_on_labels(), length_grows(snapshots), judge_is_better_than_chance())


def claims_on_proxy(snapshots: int) -> tuple[Claim, ...]:
    """Claims that real data can settle: by a reward model of the same pairs, and on the judge."""
    return (
        Claim(
            key="proxy_beats_hard",
            statement="By a reward model's score soft labels are better than hard ones of the same judge",
            source="Abstract (strength information avoids over-fitting)",
            paper_value="numbers not at hand",
            evidence=Difference(metric="proxy_reward", arm="osp", baseline="online_dpo_hard", suite=GOLD),
        ),
        length_grows(snapshots),
        judge_is_better_than_chance(),
    )


def claims_on_strength() -> tuple[Claim, ...]:
    """OSP against what it replaces."""
    return (
        Claim(
            key="beats_hard",
            statement="Trained on strengths the policy reaches a higher reward than on hard labels of the same judge",
            source="Abstract (strength information is crucial against over-fitting)",
            paper_value="numbers not at hand",
            evidence=Difference(metric="gold_reward", arm="osp", baseline="online_dpo_hard", suite=GOLD),
        ),
        Claim(
            key="beats_sft",
            statement="OSP's responses beat the SFT model's",
            source="Summaries of the experiments (200 prompts)",
            paper_value="95 % against the base model",
            evidence=Level(metric="win_rate_vs_sft", arm="osp", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="beats_offline_dpo",
            statement="OSP reaches a higher reward than DPO on the pairs that its judge was fitted on",
            source="Abstract (state of the art on HH and TL;DR)",
            paper_value="numbers not at hand",
            evidence=Difference(metric="gold_reward", arm="osp", baseline="offline_dpo", suite=GOLD),
        ),
        Claim(
            key="many_pairs_help",
            statement="Several ranked pairs a prompt teach more than the best and the worst of as many responses",
            source="Method (ranked pairing); the paper's own comparison is not at hand",
            paper_value="numbers not at hand",
            evidence=Difference(metric="gold_reward", arm="osp", baseline="osp_best_worst", suite=GOLD),
        ),
    )


def claims_on_labels() -> tuple[Claim, ...]:
    """What labels are worth."""
    return (
        Claim(
            key="robust_to_few_labels",
            statement="With few labelled pairs OSP loses less than PPO on a reward model does",
            source="Abstract (more robust than RLHF with limited offline data)",
            paper_value="numbers not at hand",
            evidence=InteractionDifference(
                metric="gold_reward",
                arm="osp_few",
                baseline="osp",
                other_arm="rm_ppo_few",
                other_baseline="rm_ppo",
                suite=GOLD,
            ),
        ),
        Claim(
            key="needs_its_judge",
            statement="OSP reaches a higher reward with its judge than with one of corrupted labels",
            source="Method (self-preference ability is trained first)",
            paper_value="numbers not at hand",
            evidence=Difference(metric="gold_reward", arm="osp", baseline="osp_corrupted", suite=GOLD),
        ),
        Claim(
            key="a_better_judge_helps",
            statement="With the true probabilities of preference OSP reaches a higher reward still",
            source="Ours: the bound that a better judge could reach",
            paper_value="not reported in the paper",
            evidence=Difference(metric="gold_reward", arm="osp_gold", baseline="osp", suite=GOLD),
        ),
    )


def length_grows(snapshots: int) -> Claim:
    """The paper's stated limit."""
    return Claim(
        key="length_grows",
        statement="Responses grow while OSP is trained",
        source="Limitations (judges prefer longer responses)",
        paper_value="numbers not at hand",
        evidence=Trend(metric="response_tokens", arms=points_of("osp", snapshots), suite=GOLD),
    )


def judge_is_better_than_chance() -> Claim:
    """What the rest rests on."""
    return Claim(
        key="judge_knows",
        statement="The model judges held-out pairs better than chance",
        source="Method (self-preference ability)",
        paper_value="numbers not at hand",
        evidence=Level(metric="judge_accuracy", arm="judge", suite=JUDGE),
        threshold=0.5,
    )
