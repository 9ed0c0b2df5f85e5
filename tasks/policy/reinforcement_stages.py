"""Policy gradients as a Prefect task.

Apart from the other training tasks: what this file imports at its top counts in its stage's cache key, and pretraining
does not depend on the steps of a policy gradient.
"""

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Rewards
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
from tasks.reward.sources import RewardSource


@stage()
def optimise_policy(
    start: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    source: RewardSource,
    fitted: list[RewardRef],
    anchors: list[Rewards],
    method: PolicyGradient,
    training: ReinforcementTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Maximise a reward function by policy gradient; ``fitted`` are the reward models that ``source`` reads."""
    from tasks.policy import reinforcement

    return reinforcement.optimise_policy(
        start, reference, prompts, source, fitted, anchors, method, training, model, seed
    )
