"""What the BRAIn paper claims, as statements that scores can support or refute."""

from collections.abc import Sequence

from flows.reinforcement.matched import GOLD
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, Level, Trend

WINS, PROXY = "win_rate_vs_demonstrations", "proxy_reward"
GRADIENTS = "gradients"
"""The suite of the estimators' gradients at fixed weights."""
UNKNOWN = "value not at hand"

ARMS = {
    "sft": "Supervised fine-tuning on demonstrations; where every arm starts, and the prior",
    "dpo": "DPO on the run's own pairs",
    "dpo_sft": "DPO on SFT samples paired by the reward that BRAIn reads",
    "dpg": "Distributional policy gradient: the posterior's weights without a baseline",
    "gdc_plus_plus": "GDC++: with a baseline that is not self-normalised",
    "brain": "BRAIn: the posterior's weights and a self-normalised baseline",
    "brain_argmax": "BRAIn with all weight on the best response: reward magnitudes are ignored",
}


def claims_on(sizes: Sequence[str], gold: bool) -> tuple[Claim, ...]:
    """All claims; ``sizes`` are the arms by rising n, ``gold``: win rates over references can be told by the reward."""
    metric = WINS if gold else PROXY
    return (
        *claims_on_rivals(metric),
        *claims_on_estimators(metric),
        *claims_on_sizes(sizes, metric),
        Claim(
            key="magnitudes_help",
            statement="Weights by the reward's size do better than all weight on the best response",
            source="Ablation (softmax against argmax weights)",
            paper_value=UNKNOWN,
            evidence=Difference(metric=metric, arm="brain", baseline="brain_argmax", suite=GOLD),
        ),
        *(claims_on_start() if gold else ()),
    )


def claims_on_rivals(metric: str) -> tuple[Claim, ...]:
    """The main results: BRAIn above DPO on SFT samples above DPO."""
    found = "significantly above prior art in summarisation and Anthropic HH (abstract); values not at hand"
    return (
        Claim(
            key="beats_dpo_sft",
            statement="BRAIn does better than DPO on SFT samples labelled by the same reward",
            source="Main results (win rate over references)",
            paper_value=found,
            evidence=Difference(metric=metric, arm="brain", baseline="dpo_sft", suite=GOLD),
        ),
        Claim(
            key="beats_dpo",
            statement="BRAIn does better than DPO on the pairs",
            source="Main results (win rate over references)",
            paper_value=found,
            evidence=Difference(metric=metric, arm="brain", baseline="dpo", suite=GOLD),
        ),
        Claim(
            key="dpo_sft_beats_dpo",
            statement="DPO on SFT samples labelled by the reward does better than DPO on the pairs",
            source="Main results (win rate over references)",
            paper_value=UNKNOWN,
            evidence=Difference(metric=metric, arm="dpo_sft", baseline="dpo", suite=GOLD),
        ),
    )


def claims_on_estimators(metric: str) -> tuple[Claim, ...]:
    """What the self-normalised baseline is good for, by result and by variance."""
    variance = "8 samples, off the posterior by one deviation: 0.17 (BRAIn), 1.20 (GDC++), 1.57 (DPG)"
    better = (("brain", "gdc_plus_plus"), ("gdc_plus_plus", "dpg"), ("brain", "dpg"))
    names = {"brain": "BRAIn", "gdc_plus_plus": "GDC++", "dpg": "DPG"}
    keys = {"brain": "brain", "gdc_plus_plus": "gdc", "dpg": "dpg"}
    results = tuple(
        Claim(
            key=f"{keys[one]}_beats_{keys[other]}",
            statement=f"{names[one]} does better than {names[other]}",
            source="Ablation of the baseline",
            paper_value=f"the self-normalised baseline is the key part; {UNKNOWN}",
            evidence=Difference(metric=metric, arm=one, baseline=other, suite=GOLD),
        )
        for one, other in better[:2]
    )
    noises = tuple(
        Claim(
            key=f"{keys[one]}_is_less_noisy_than_{keys[other]}",
            statement=f"At the same weights and samples {names[one]}'s gradient has a smaller variance than "
            f"{names[other]}'s",
            source="The authors' demonstration of the estimators (unit Gaussians)",
            paper_value=variance,
            evidence=Difference(metric="log_gradient_variance", arm=one, baseline=other, suite=GRADIENTS),
            direction="below",
        )
        for one, other in (better[0], better[2])
    )
    return (*results, *noises)


def claims_on_sizes(sizes: Sequence[str], metric: str) -> tuple[Claim, ...]:
    """The number of responses a prompt."""
    if len(sizes) < 2:
        return ()
    return (
        Claim(
            key="more_responses_help",
            statement="The more responses a prompt, the better BRAIn does",
            source="Ablation of n",
            paper_value=f"rises with n, with diminishing returns; {UNKNOWN}",
            evidence=Trend(metric=metric, arms=tuple(sizes), suite=GOLD),
        ),
    )


def claims_on_start() -> tuple[Claim, ...]:
    """BRAIn against where it started."""
    return (
        Claim(
            key="beats_sft",
            statement="BRAIn's responses beat the SFT model's",
            source="Main results",
            paper_value=UNKNOWN,
            evidence=Level(metric="win_rate_vs_sft", arm="brain", suite=GOLD),
            threshold=0.5,
        ),
    )
