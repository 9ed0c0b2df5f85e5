"""What single preference objectives log beside what all of them do."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "train/vpo/calibration_log_ratio": Metric(
        "Calibration responses of VPO and XPO", "mean log pi/pi_ref(y), y ~ pi_cal", "nats a response", "neither"
    ),
    "train/srpo/generation_margin": Metric(
        "What SRPO's policy loss pulls to 1/2", "(beta/2) (D(w|l) - D(l|w) + G(w) - G(l))", "1", "neither"
    ),
    "train/srpo/revision_margin": Metric(
        "What SRPO's reviser loss pulls to 1/2", "mean over drafts b of beta (D(w|b) - D(l|b))", "1", "neither"
    ),
    "train/spce/certainty": Metric("How far soft labels are from a tie", "|p - 1/2|", "1", "neither", 0.0, 0.5),
    "train/sppo/step": Metric("How far SPPO has moved responses", "|log pi/pi_t|", "nats a response", "neither", 0.0),
    "train/sppo/target_step": Metric(
        "How far SPPO is to move responses", "|eta (P(y > pi_t) - 1/2)|", "nats a response", "neither", 0.0
    ),
    "train/brain/target_sample_size": Metric(
        "Effective samples of the posterior's weights in a group", "1 / sum ahat^2", "responses", "neither", 1.0
    ),
    "train/brain/policy_sample_size": Metric(
        "Effective samples of the policy's weights in a group", "1 / sum bhat^2", "responses", "neither", 1.0
    ),
    "train/hinge/active": share(
        "Pairs that the hinge still gives a gradient", "1[beta h < 1]", "neither"
    ),
}  # fmt: skip
