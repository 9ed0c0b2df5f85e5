"""What the study on implicit and explicit rewards claims, as statements that scores can support or refute."""

from flows.studies.implicit_rm_generalization_settings import ITERATIVE, ImplicitRMConfig
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference

GOLD, LABELS, ID, TRAIN, REAL, OOD, DROP = "gold", "labels", "id", "train", "real", "ood", "drop"
ACCURACY, WINS = "reward_accuracy", "win_rate_vs_sft"
ARMS = {
    "exrm": "Explicit reward model: the SFT model's body and a scalar head, Bradley-Terry loss",
    "dporm": "The implicit reward log(pi/pi_ref) of DPO on the same pairs",
    "reference_free": "The DPO policy's likelihood without a reference",
    "sft_likelihood": "The SFT model's likelihood",
    "length": "The longer response wins, or the shorter one where that is right more often in training",
    "offline_dpo": "DPO on the offline pairs alone: where iterative DPO starts",
    "iterative_exrm": "Iterative DPO labelled by the explicit reward model",
    "iterative_dporm": "Iterative DPO labelled by the latest policy's implicit reward",
    "iterative_gold": "Iterative DPO labelled by the true reward: the upper bound",
}


def claims_of(config: ImplicitRMConfig) -> tuple[Claim, ...]:
    """The claims that a configuration can settle, the main one first."""
    return (
        *(claims_on_shifts(config) if config.shifts else ()),
        *(claims_on_other_data() if config.shifted_data.path else ()),
        *claims_on_fit(),
        *claims_on_noise(config),
        *claims_on_labels(config),
    )


def claims_on_shifts(config: ImplicitRMConfig) -> tuple[Claim, ...]:
    """Accuracy off the training distribution: all shifted sets together, by kind, at matched accuracy."""
    kinds = {shift.kind for shift in config.shifts}
    named = {"response_shift": "answers of other generators", "prompt_shift": "prompts of other families"}
    return (
        Claim(
            key="explicit_generalises_better",
            statement="Off the training distribution the explicit reward is more accurate than DPO's implicit one",
            source="Abstract; main table",
            paper_value="3 points more on average over five settings, 7 at most",
            evidence=Difference(metric=ACCURACY, arm="exrm", baseline="dporm", suite=OOD),
        ),
        Claim(
            key="implicit_drops_more",
            statement="From the training distribution to the shifted sets the implicit reward loses more accuracy",
            source="Abstract; main table",
            paper_value="a mean drop of 3 points, 7 at most",
            evidence=Difference(metric="accuracy_drop", arm="dporm", baseline="exrm", suite=DROP),
        ),
        Claim(
            key="better_at_matched_accuracy",
            statement="So does it among checkpoints that are equally accurate on validation pairs of the training "
            "distribution; the loss is counted from test pairs, which had no part in their choice",
            source="Ours: under-fitting explains a gap that this comparison would not have",
            paper_value="not reported in the abstract",
            evidence=Difference(metric="accuracy_drop", arm="dporm_matched", baseline="exrm_matched", suite=DROP),
        ),
        *(
            Claim(
                key=f"explicit_better_on_{kind}",
                statement=f"On {named[kind]} alone the explicit reward is the more accurate one",
                source="Main table, by setting",
                paper_value="holds for prompt and for response shifts",
                evidence=Difference(metric=ACCURACY, arm="exrm", baseline="dporm", suite=kind),
            )
            for kind in sorted(kinds)
            if len(kinds) > 1
        ),
    )


def claims_on_other_data() -> tuple[Claim, ...]:
    """Real pairs of another domain."""
    return (
        Claim(
            key="explicit_generalises_to_other_data",
            statement="On pairs of another domain the explicit reward is more accurate than DPO's implicit one",
            source="Abstract; main table",
            paper_value="3 points more on average over five settings, 7 at most",
            evidence=Difference(metric=ACCURACY, arm="exrm", baseline="dporm", suite=REAL),
        ),
    )


def claims_on_fit() -> tuple[Claim, ...]:
    """Both rewards fit the training pairs."""
    return (
        Claim(
            key="both_fit_training_pairs",
            statement="Both rewards fit the training pairs: their accuracies there differ by less than 5 points",
            source="Abstract",
            paper_value="comparable",
            evidence=Difference(metric=ACCURACY, arm="exrm", baseline="dporm", suite=TRAIN),
            direction="within",
            threshold=0.05,
        ),
    )


def claims_on_noise(config: ImplicitRMConfig) -> tuple[Claim, ...]:
    """Training labels with flips, tests without."""
    return tuple(
        Claim(
            key=f"explicit_better_at_noise_{100 * noise:g}",
            statement=f"With {100 * noise:g} % of training labels flipped the explicit reward is the more accurate one",
            source="Ours, as a further shift between training and test",
            paper_value="not reported in the abstract",
            evidence=Difference(metric=ACCURACY, arm=noisy("exrm", noise), baseline=noisy("dporm", noise), suite=ID),
        )
        for noise in config.noises
    )


def claims_on_labels(config: ImplicitRMConfig) -> tuple[Claim, ...]:
    """Which reward labels iterative DPO better."""
    if not set(ITERATIVE[:2]) <= set(config.arms):
        return ()
    explicit, implicit = ITERATIVE[:2]
    return (
        Claim(
            key="explicit_labels_agree_more",
            statement="In the last round of iterative DPO explicit labels agree with the true reward more often",
            source="Section on iterative DPO",
            paper_value="substantiates the explicit reward in iterative schemes",
            evidence=Difference(metric="label_gold_agreement", arm=explicit, baseline=implicit, suite=LABELS),
        ),
        Claim(
            key="explicit_labels_train_better",
            statement="Iterative DPO wins more often against SFT with explicit labels than with implicit ones",
            source="Section on iterative DPO",
            paper_value="substantiates the explicit reward in iterative schemes",
            evidence=Difference(metric=WINS, arm=explicit, baseline=implicit, suite=GOLD),
        ),
    )


def noisy(name: str, noise: float) -> str:
    """An arm whose training labels were flipped at ``noise``."""
    return f"{name}-noise-{noise:g}" if noise else name
