"""What the SimPO paper claims, as statements that scores can support or refute."""

from collections.abc import Collection, Sequence

from flows.claims_asked import claims_on_arms
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Level, Trend
from tasks.evaluation.evidence_at_equal_length import LengthControlledDifference, LengthControlledWins
from tasks.evaluation.evidence_on_ranks import RankCorrelationDifference
from tasks.evaluation.evidence_over_training import Drop

GOLD, PAIRS = "gold", "held_out_pairs"
LENGTH, TOKENS, AVERAGE = "response_tokens", "chosen_tokens", "chosen_token_log_prob"

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the reference policy",
    "dpo": "DPO",
    "ipo": "IPO on summed log-probabilities",
    "kto": "KTO, both responses of a pair as single examples",
    "simpo": "SimPO: average log-probability as the reward, a target margin, no reference",
    "simpo_no_length_norm": "SimPO on summed log-probabilities",
    "simpo_gamma_0": "SimPO without a target margin",
    "ln_dpo": "DPO on log-ratios a token",
    "r_dpo": "R-DPO: DPO with a penalty on length",
    "ref_free_dpo": "DPO without the reference's term: neither reference nor normalisation nor margin",
    "cpo": "CPO: reference-free DPO with the likelihood of the chosen response",
    "orpo": "ORPO: likelihood of the chosen response with an odds ratio",
    "rrhf": "RRHF: ranking by average log-probability, with the likelihood of the chosen response",
    "slic_hf": "SLiC-HF: a hinge on summed log-probabilities, with the likelihood of the chosen response",
}


def claims_on(margins: Sequence[str], trained: Collection[str], gold: bool) -> tuple[Claim, ...]:
    """The claims on ``trained`` arms; ``margins`` are SimPO's by rising gamma, ``gold``: the true reward is known."""
    wanted = (*(claims_on_wins() if gold else ()), *claims_on_length(), *claims_on_likelihood())
    swept = (*claims_on_margins(margins), *(claims_on_large_margins(margins) if gold else ()))
    return claims_on_arms((*wanted, *swept), trained)


def claims_on_wins() -> tuple[Claim, ...]:
    """Win rates over SFT at equal length, by the true reward."""
    return (
        Claim(
            key="beats_dpo_at_equal_length",
            statement="SimPO's length-controlled win rate over SFT is above DPO's",
            source="Main results (AlpacaEval 2, LC win rate)",
            paper_value="Mistral-Base 21.4 % against 15.1 %, Llama3-Instruct 44.7 % against 40.3 %",
            evidence=LengthControlledDifference(arm="simpo", baseline="dpo", opponent="sft", suite=GOLD),
        ),
        Claim(
            key="beats_sft",
            statement="SimPO beats SFT at equal length",
            source="Main results (AlpacaEval 2, LC win rate)",
            paper_value="Mistral-Base 21.4 % against SFT's 8.4 %, both over GPT-4 Turbo",
            evidence=LengthControlledWins(arm="simpo", opponent="sft", suite=GOLD),
            threshold=0.5,
        ),
        Claim(
            key="normalisation_raises_wins",
            statement="Without length normalisation SimPO's length-controlled win rate over SFT is lower",
            source="Section 4.2, ablation (AlpacaEval 2, LC win rate)",
            paper_value="length normalisation is the more important of the two designs",
            evidence=LengthControlledDifference(
                arm="simpo", baseline="simpo_no_length_norm", opponent="sft", suite=GOLD
            ),
        ),
    )


def claims_on_length() -> tuple[Claim, ...]:
    """Lengths of sampled responses."""
    return (
        Claim(
            key="no_longer_than_dpo",
            statement="SimPO's responses are at most one token longer than DPO's",
            source="Abstract; Gemma-2-9b-it's AlpacaEval 2 lengths in the official repository",
            paper_value="1833 characters against 2016",
            evidence=Difference(metric=LENGTH, arm="simpo", baseline="dpo", suite=GOLD),
            direction="below",
            threshold=1.0,
        ),
        Claim(
            key="normalisation_curbs_length",
            statement="Without length normalisation SimPO's responses are longer",
            source="Section 4.2, ablation",
            paper_value="longer and more repetitive without it",
            evidence=Difference(metric=LENGTH, arm="simpo_no_length_norm", baseline="simpo", suite=GOLD),
        ),
    )


def claims_on_likelihood() -> tuple[Claim, ...]:
    """Average log-probabilities of held-out pairs."""
    return (
        Claim(
            key="normalisation_lowers_length_correlation",
            statement="Average log-probability goes less with length under SimPO than without normalisation",
            source="Section 4.2 (Spearman's rho, held-out responses)",
            paper_value="0.34 against 0.82",
            evidence=RankCorrelationDifference(
                metric=AVERAGE, other_metric=TOKENS, arm="simpo", baseline="simpo_no_length_norm", suite=PAIRS
            ),
            direction="below",
        ),
        Claim(
            key="lower_length_correlation_than_dpo",
            statement="Average log-probability goes less with length under SimPO than under DPO",
            source="Section 4.4 (Spearman's rho, held-out responses)",
            paper_value="0.34 against 0.59",
            evidence=RankCorrelationDifference(
                metric=AVERAGE, other_metric=TOKENS, arm="simpo", baseline="dpo", suite=PAIRS
            ),
            direction="below",
        ),
        Claim(
            key="dpo_reward_is_not_likelihood",
            statement="DPO's reward and average log-probability disagree on more than a quarter of held-out pairs",
            source="Section 4.4 (DPO against SimPO); by construction SimPO's never do",
            paper_value="about half of the training pairs",
            evidence=Level(metric="reward_likelihood_agreement", arm="dpo", suite=PAIRS),
            direction="below",
            threshold=0.75,
        ),
        Claim(
            key="ranks_pairs_better_than_dpo",
            statement="SimPO's average log-probability ranks held-out pairs better than DPO's",
            source="Section 4.4 (reward accuracy)",
            paper_value="SimPO's reward accuracy is above DPO's",
            evidence=Difference(metric="likelihood_accuracy", arm="simpo", baseline="dpo", suite=PAIRS),
        ),
    )


def claims_on_margins(margins: Sequence[str]) -> tuple[Claim, ...]:
    """Reward accuracy over rising target margins; fewer than two have no trend."""
    if len(margins) < 2:
        return ()
    return (
        Claim(
            key="margin_raises_accuracy",
            statement="A larger target margin raises the accuracy of the reward on held-out pairs",
            source="Section 4.3 (sweep over gamma)",
            paper_value="accuracy rises with gamma",
            evidence=Trend(metric="likelihood_accuracy", arms=tuple(margins), suite=PAIRS),
        ),
    )


def claims_on_large_margins(margins: Sequence[str]) -> tuple[Claim, ...]:
    """Quality over rising target margins: a hump, which wants three or more."""
    if len(margins) < 3:
        return ()
    return (
        Claim(
            key="too_large_a_margin_hurts",
            statement="The true reward falls after its best target margin",
            source="Section 4.3 (sweep over gamma, AlpacaEval 2 LC win rate)",
            paper_value="win rate rises, then falls with gamma",
            evidence=Drop(metric="gold_reward", points=tuple(margins), suite=GOLD),
        ),
    )
