"""What the PAR paper (arXiv 2502.18770) claims, as statements that scores can support or refute."""

from flows.peaks import peak_difference
from flows.reinforcement.matched import GOLD, KL, points_of
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, MeanOfArms
from tasks.evaluation.evidence_over_training import Drop

HACKED = ("mean_std", "clip", "reg", "odin")
"""Baselines whose win rate ends below 1 % in the paper."""
SOUND = ("min_max", "lsc", "warm")
"""Baselines whose win rate does not."""


def claims_with_gold(snapshots: int) -> tuple[Claim, ...]:
    """Claims where the true reward is known, on the arms that run unless others are asked for."""
    return (
        *claims_on_end(),
        *claims_on_course(snapshots),
        *claims_on_principles(snapshots),
        *claims_on_references(),
        *claims_on_bounds(),
    )


def claims_on_end() -> tuple[Claim, ...]:
    """Where training ends: Table 1."""
    return (
        Claim(
            key="beats_vanilla",
            statement="At the end of training PAR's true reward is above vanilla PPO's",
            source="Table 1 (after one epoch)",
            paper_value="win rate over SFT: PAR 75.4 %, vanilla 0.37 %",
            evidence=Difference(metric="gold_reward", arm="par", baseline="vanilla", suite=GOLD),
        ),
        Claim(
            key="beats_hacked_baselines",
            statement="At the end PAR's true reward is above the mean of Meanstd, Clip, Reg and ODIN",
            source="Table 1",
            paper_value="win rate over SFT: PAR 75.4 %; Meanstd 0.12 %, Clip 0 %, Reg 0 %, ODIN 0 %",
            evidence=Difference(metric="gold_reward", arm="par", baseline=MeanOfArms(HACKED), suite=GOLD),
        ),
        Claim(
            key="beats_sound_baselines",
            statement="At the end PAR's true reward is above the mean of Minmax, LSC and WARM",
            source="Table 1",
            paper_value="win rate over SFT: PAR 75.4 %; Minmax 70.9 %, LSC 53.8 %, WARM 63.2 %",
            evidence=Difference(metric="gold_reward", arm="par", baseline=MeanOfArms(SOUND), suite=GOLD),
        ),
        Claim(
            key="min_max_beats_vanilla",
            statement="At the end Minmax's true reward is above vanilla PPO's",
            source="Table 1",
            paper_value="win rate over SFT: Minmax 70.9 %, vanilla 0.37 %",
            evidence=Difference(metric="gold_reward", arm="min_max", baseline="vanilla", suite=GOLD),
        ),
    )


def claims_on_course(snapshots: int) -> tuple[Claim, ...]:
    """Peaks, falls and the reward at equal KL."""
    vanilla, par = points_of("vanilla", snapshots), points_of("par", snapshots)
    return (
        Claim(
            key="vanilla_over_optimises",
            statement="Vanilla PPO's true reward falls after a peak",
            source="Proxy reward and win rate over training, vanilla PPO",
            paper_value="best checkpoint 69 to 72 % (Table 2), last one 0.37 % (Table 1)",
            evidence=Drop(metric="gold_reward", points=vanilla, suite=GOLD),
        ),
        Claim(
            key="vanilla_proxy_rises",
            statement="After that peak vanilla PPO's proxy reward goes on rising",
            source="Proxy reward and win rate over training, vanilla PPO",
            paper_value="proxy reward rises throughout while the win rate collapses",
            evidence=Drop(metric="proxy_reward", points=vanilla, suite=GOLD, peak_of="gold_reward"),
            direction="below",
        ),
        Claim(
            key="par_falls_less",
            statement="Vanilla PPO's true reward falls further from its peak than PAR's does",
            source="Tables 1 and 2",
            paper_value="both peak at 69 to 72 % length-controlled; at the end vanilla 0.10 %, PAR 70.8 %",
            evidence=Drop(metric="gold_reward", points=vanilla, suite=GOLD, baselines=par),
        ),
        Claim(
            key="peaks_are_alike",
            statement="Best checkpoints are alike: the win rates over SFT of PAR's and of vanilla PPO's differ by less "
            "than 10 points",
            source="Table 2",
            paper_value="69 to 72 % length-controlled for every method",
            evidence=peak_difference("win_rate_vs_sft", par, vanilla, GOLD),
            direction="within",
            threshold=0.1,
        ),
        Claim(
            key="better_at_equal_kl",
            statement="At equal KL to SFT, PAR's true reward is above vanilla PPO's",
            source="Not in the paper: its one KL coefficient weighs more against rewards in (0, 1) than against "
            "unbounded ones",
            paper_value="not reported",
            evidence=FrontierGap(arms=par, baselines=vanilla, suite=GOLD, kl=KL),
        ),
    )


def claims_on_principles(snapshots: int) -> tuple[Claim, ...]:
    """Bounded; fast at first; a function of the centred reward."""
    early = [round(100 * part / snapshots) for part in range(1, snapshots // 2 + 1)]
    slower = Claim(
        key="sgfc_is_slower",
        statement="Over the first half of training SgFc's true reward is below PAR's",
        source="Experiments on the second principle: rapid growth first",
        paper_value="SgFc grows slowly at first",
        evidence=Difference(
            metric="gold_reward",
            arm=MeanOfArms(tuple(f"sgfc@{share}%" for share in early) or ("sgfc",)),
            baseline=MeanOfArms(tuple(f"par@{share}%" for share in early) or ("par",)),
            suite=GOLD,
        ),
        direction="below",
    )
    return (
        Claim(
            key="centred_beats_uncentred",
            statement="The sigmoid of the centred reward ends with a higher true reward than that of the reward itself",
            source="Centred against uncentred rewards (sigmoid, k = 1)",
            paper_value="centred variants are above uncentred ones",
            evidence=Difference(metric="gold_reward", arm="par", baseline="sigmoid", suite=GOLD),
        ),
        *([slower] if early else []),
        Claim(
            key="sgfc_falls_more",
            statement="SgFc's true reward falls further from its peak than PAR's does",
            source="Experiments on the second principle: rapid growth first",
            paper_value="SgFc is hacked late in training",
            evidence=Drop(
                metric="gold_reward",
                points=points_of("sgfc", snapshots),
                suite=GOLD,
                baselines=points_of("par", snapshots),
            ),
        ),
    )


def claims_on_references() -> tuple[Claim, ...]:
    """How many reference responses PAR needs."""
    return (
        Claim(
            key="one_reference_is_enough",
            statement="One reference is as good as all: win rates over SFT differ by less than 10 points",
            source="Data efficiency (M = 0, 1, 3, 5, 8, 10 references)",
            paper_value="M = 1 about equal to M = 10",
            evidence=Difference(metric="win_rate_vs_sft", arm="par_m1", baseline="par", suite=GOLD),
            direction="within",
            threshold=0.1,
        ),
        Claim(
            key="one_reference_beats_none",
            statement="One reference ends with a higher true reward than the plain sigmoid",
            source="Data efficiency (M = 0, 1, 3, 5, 8, 10 references)",
            paper_value="M = 1 far above M = 0",
            evidence=Difference(metric="gold_reward", arm="par_m1", baseline="sigmoid", suite=GOLD),
        ),
    )


def claims_on_bounds() -> tuple[Claim, ...]:
    """First principle: what holds an unbounded reward down helps."""
    return (
        Claim(
            key="kl_mitigates",
            statement="A KL coefficient of 0.1 ends with a higher true reward than vanilla PPO's",
            source="Experiments on the first principle: KL coefficients .01, .02, .05, .1",
            paper_value="a larger KL coefficient removes the collapse",
            evidence=Difference(metric="gold_reward", arm="vanilla_kl_0.1", baseline="vanilla", suite=GOLD),
        ),
        Claim(
            key="ceiling_mitigates",
            statement="A ceiling on the score ends with a higher true reward than vanilla PPO's",
            source="Experiments on the first principle: ceilings 3, 4, 5",
            paper_value="a ceiling removes the collapse",
            evidence=Difference(metric="gold_reward", arm="ceiling", baseline="vanilla", suite=GOLD),
        ),
    )


def claims_on_proxy(snapshots: int) -> tuple[Claim, ...]:
    """Claims that a learned reward and the KL can settle, so that real data can."""
    vanilla = points_of("vanilla", snapshots)
    return (
        Claim(
            key="par_spares_the_proxy",
            statement="PAR ends with a lower proxy reward than vanilla PPO: it does not pay to go on",
            source="Proxy reward and win rate over training",
            paper_value="vanilla's proxy reward goes on rising, PAR's levels off",
            evidence=Difference(metric="proxy_reward", arm="par", baseline="vanilla", suite=GOLD),
            direction="below",
        ),
        Claim(
            key="par_learns",
            statement="PAR raises the proxy reward over the SFT model's",
            source="Proxy reward and win rate over training",
            paper_value="win rate over SFT 75.4 % (Table 1)",
            evidence=Difference(metric="proxy_reward", arm="par", baseline="sft", suite=GOLD),
        ),
        Claim(
            key="vanilla_proxy_goes_on",
            statement="Vanilla PPO's proxy reward still rises at the end of training",
            source="Proxy reward and win rate over training, vanilla PPO",
            paper_value="proxy reward rises throughout",
            evidence=Drop(metric="proxy_reward", points=vanilla, suite=GOLD),
            direction="below",
        ),
        Claim(
            key="kl_coefficient_holds",
            statement="A KL coefficient of 0.1 keeps vanilla PPO closer to the SFT model",
            source="Experiments on the first principle: KL coefficients .01, .02, .05, .1",
            paper_value="a larger KL coefficient removes the collapse",
            evidence=Difference(metric=KL, arm="vanilla_kl_0.1", baseline="vanilla", suite=GOLD),
            direction="below",
        ),
    )
