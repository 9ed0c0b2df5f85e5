"""What the PAR paper (arXiv 2502.18770) claims about arms that run only where they are asked for."""

from collections.abc import Sequence

from flows.reinforcement.matched import GOLD, points_of
from flows.reinforcement.par_arms import KL_SWEEP, REFERENCE_COUNTS, UNCENTRED_OF
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, MeanOfArms, Trend
from tasks.evaluation.evidence_over_training import Drop


def claims_on_options(arms: Sequence[str], snapshots: int) -> tuple[Claim, ...]:
    """Claims on arms that run only where they are asked for: none of ``arms``, none of them."""
    asked = set(arms)
    return (
        *(claims_on_curves(asked)),
        *(claims_on_sweeps(asked)),
        *(claims_on_longer_runs() if {"par_long", "min_max_long", "warm_long"} <= asked else ()),
        *(claims_on_grpo(snapshots) if {"grpo_vanilla", "grpo_min_max"} <= asked else ()),
    )


def claims_on_curves(asked: set[str]) -> tuple[Claim, ...]:
    """Centring over all curves of which both twins are trained; one pair alone has a claim of its own."""
    twins = {curve: other for curve, other in UNCENTRED_OF.items() if {curve, other} <= asked}
    if len(twins) < 2:
        return ()
    return (
        Claim(
            key="centred_curves_beat_uncentred",
            statement="Averaged over the curves, centring ends with a higher true reward",
            source="Centred against uncentred rewards (sigmoid with k = 1, 2, 3; tanh; polynomial)",
            paper_value="centred variants are above uncentred ones",
            evidence=Difference(
                metric="gold_reward",
                arm=MeanOfArms(tuple(twins)),
                baseline=MeanOfArms(tuple(twins.values())),
                suite=GOLD,
            ),
        ),
    )


def claims_on_sweeps(asked: set[str]) -> tuple[Claim, ...]:
    """True reward over the number of references and over the KL coefficient, whole sweeps only."""
    claims = []
    if {*REFERENCE_COUNTS, "par"} <= asked:
        claims.append(
            Claim(
                key="references_matter_little",
                statement="From one reference on, each step of the sweep changes the win rate by less than 3 points",
                source="Data efficiency (M = 0, 1, 3, 5, 8, 10 references)",
                paper_value="flat in M from 1 on",
                evidence=Trend(metric="win_rate_vs_sft", arms=(*REFERENCE_COUNTS, "par"), suite=GOLD),
                direction="within",
                threshold=0.03,
            )
        )
    if {*KL_SWEEP, "vanilla"} <= asked:
        claims.append(
            Claim(
                key="more_kl_more_reward",
                statement="The larger vanilla PPO's KL coefficient, the higher its true reward at the end",
                source="Experiments on the first principle: KL coefficients .01, .02, .05, .1",
                paper_value="a larger KL coefficient removes the collapse",
                evidence=Trend(metric="gold_reward", arms=("vanilla", *KL_SWEEP), suite=GOLD),
            )
        )
    return tuple(claims)


def claims_on_longer_runs() -> tuple[Claim, ...]:
    """Two epochs in place of one."""
    return (
        Claim(
            key="robust_over_two_epochs",
            statement="Trained twice as long, PAR's true reward is above the mean of Minmax's and WARM's",
            source="Robustness over two epochs",
            paper_value="PAR holds its win rate, Minmax and WARM lose theirs",
            evidence=Difference(
                metric="gold_reward", arm="par_long", baseline=MeanOfArms(("min_max_long", "warm_long")), suite=GOLD
            ),
        ),
    )


def claims_on_grpo(snapshots: int) -> tuple[Claim, ...]:
    """Group-normalised advantages do not see affine maps of the reward."""
    return (
        Claim(
            key="grpo_does_not_see_min_max",
            statement="Under GRPO Minmax and vanilla rewards come to the same: true rewards differ by less than 0.1",
            source="Appendix E",
            paper_value="advantages are unchanged by positive affine maps",
            evidence=Difference(metric="gold_reward", arm="grpo_min_max", baseline="grpo_vanilla", suite=GOLD),
            direction="within",
            threshold=0.1,
        ),
        Claim(
            key="grpo_is_not_hacked",
            statement="Under GRPO the vanilla reward's true reward falls from its peak by less than 0.1",
            source="Appendix E",
            paper_value="no hacking seen",
            evidence=Drop(metric="gold_reward", points=points_of("grpo_vanilla", snapshots), suite=GOLD),
            direction="below",
            threshold=0.1,
        ),
    )
