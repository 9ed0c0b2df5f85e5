"""SRPO's revisions as Prefect tasks."""

from typing import Literal

from tasks.data.world import TinyWorld
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, RewardRef, Scores
from tasks.engine.stage import stage
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.policy.objectives.srpo import SRPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.revising.settings import EditPrior, RevisionFormat


@stage()
def demonstrate_edits(demonstrations: DatasetRef, revision: RevisionFormat, prior: EditPrior, seed: int) -> DatasetRef:
    """Demonstrations, and as many lightly edited drafts of the tiny world's demonstrators."""
    from tasks.policy.revising import demonstrating

    return demonstrating.demonstrate_edits(demonstrations, revision, prior, seed)


@stage()
def demonstrate_choices(demonstrations: DatasetRef, pairs: DatasetRef, revision: RevisionFormat) -> DatasetRef:
    """Demonstrations, and the chosen response of every pair as a revision of the rejected one."""
    from tasks.policy.revising import demonstrating

    return demonstrating.demonstrate_choices(demonstrations, pairs, revision)


@stage()
def score_revisions(model: Checkpoint, pairs: DatasetRef, revision: RevisionFormat, config: ModelConfig) -> LogProbs:
    """A frozen model's scores of every pair's responses, as answers and as revisions of each other and themselves."""
    from tasks.policy.revising import scoring

    return scoring.score_revisions(model, pairs, revision, config)


@stage()
def optimise_revisions(
    start: Checkpoint,
    pairs: DatasetRef,
    reference: LogProbs,
    revision: RevisionFormat,
    objective: SRPO,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise SRPO's loss on pairs; ``reference`` holds the frozen model's six scores of each."""
    from tasks.policy.revising import training as room

    return room.optimise_revisions(start, pairs, reference, revision, objective, training, model, seed)


@stage()
def measure_revisions(
    policy: Checkpoint | CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    revision: RevisionFormat,
    revisions: int,
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Answers after every round of self-revision by gold reward, learned reward and length."""
    from tasks.policy.revising import measuring

    return measuring.measure_revisions(policy, prompts, decoding, revision, revisions, fitted, model, seed)


@stage()
def draw_longer_posts(world: TinyWorld, split: Literal["val", "eval"]) -> DatasetRef:
    """Prompts with more to leave out than any that was trained on, with a demonstration each."""
    from tasks.policy.revising import longer_posts

    return longer_posts.draw_longer_posts(world, split)
