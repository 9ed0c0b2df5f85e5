"""Methods of a tournament that learn from the fixed pairs alone."""

from flows.reinforcement.matched import MEMBERS_APART
from flows.studies.tournament_entry import Entry, Policy, enough
from tasks.engine.session import arm
from tasks.models.stages import sample_responses
from tasks.policy.calibrated_stages import optimise_on_calibrated_pairs
from tasks.policy.stages import optimise_preferences


def train_offline(entry: Entry) -> Policy:
    """A loss on the fixed pairs, gone through as often as the common steps want."""
    config, shared = entry.config, entry.shared
    objective, training = entry.loss
    with arm(entry.label, shared.seed):
        if entry.method != "vpo":
            return optimise_preferences.submit(
                shared.sft, shared.pairs, shared.reference, objective, enough(config, training), config.model,
                shared.seed,
            )  # fmt: skip
        decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
        calibration = sample_responses.submit(
            shared.sft, shared.pairs, decoding, 1, config.model, shared.seed + MEMBERS_APART
        )
        return optimise_on_calibrated_pairs.submit(
            shared.sft, shared.pairs, shared.reference, calibration, objective, enough(config, training), config.model,
            shared.seed,
        )  # fmt: skip
