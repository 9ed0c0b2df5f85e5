"""Training as Prefect tasks."""

from tasks.data.source import DataSource
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs
from tasks.engine.stage import ALL_CORES, stage
from tasks.models.config import ModelConfig, ScratchModel
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import ByteVocabulary, PreferenceTraining, Pretraining, SupervisedTraining


@stage(cores=ALL_CORES)
def pretrain(pretraining: Pretraining, scratch: ScratchModel, seed: int) -> Checkpoint:
    """The small model that every policy of the tiny world starts from."""
    from tasks.policy import pretraining as room

    return room.pretrain(pretraining, scratch, seed)


@stage()
def initialise_for(
    source: DataSource, content: str, vocabulary: ByteVocabulary, scratch: ScratchModel, seed: int
) -> Checkpoint:
    """An untrained model with a tokenizer trained on ``source``; ``content`` is the source's digest."""
    from tasks.policy import pretraining as room

    return room.initialise_for(source, vocabulary, scratch, seed)


@stage()
def import_model(model: ModelConfig, content: str) -> Checkpoint:
    """Pretrained weights as an artifact; ``content`` is the digest of a local folder."""
    from tasks.policy import pretraining as room

    return room.import_model(model)


@stage()
def finetune_supervised(
    start: Checkpoint, demonstrations: DatasetRef, training: SupervisedTraining, model: ModelConfig, seed: int
) -> Checkpoint:
    """SFT: maximise the likelihood of demonstrations."""
    from tasks.policy import supervised

    return supervised.finetune_supervised(start, demonstrations, training, model, seed)


@stage()
def finetune_preferred(
    start: Checkpoint, pairs: DatasetRef, training: SupervisedTraining, model: ModelConfig, seed: int
) -> CheckpointSeries:
    """Preferred-FT: maximise the likelihood of the chosen responses."""
    from tasks.policy import supervised

    return supervised.finetune_preferred(start, pairs, training, model, seed)


@stage()
def optimise_preferences(
    start: Checkpoint,
    pairs: DatasetRef,
    reference: LogProbs,
    objective: Objective,
    training: PreferenceTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise a preference objective on pairs; ``reference`` holds the frozen model's scores of them."""
    from tasks.policy import preference

    return preference.optimise_preferences(start, pairs, reference, objective, training, model, seed)
