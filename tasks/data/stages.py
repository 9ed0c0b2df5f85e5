"""Data as Prefect tasks."""

from tasks.data.source import DataSource
from tasks.data.world import TinyWorld
from tasks.engine.refs import Checkpoint, DatasetRef, PreferenceData, Samples
from tasks.engine.stage import stage


@stage()
def draw_demonstrations(world: TinyWorld, seed: int) -> DatasetRef:
    """Prompts with a demonstration of mixed quality each, for SFT."""
    from tasks.data import scenario

    return scenario.draw_demonstrations(world, seed)


@stage()
def draw_pair_prompts(world: TinyWorld, seed: int) -> DatasetRef:
    """Training prompts whose samples are compared."""
    from tasks.data import scenario

    return scenario.draw_pair_prompts(world, seed)


@stage()
def draw_policy_prompts(world: TinyWorld, seed: int) -> DatasetRef:
    """Training prompts to optimise a policy on, with a demonstration each."""
    from tasks.data import scenario

    return scenario.draw_policy_prompts(world, seed)


@stage()
def draw_held_out_prompts(world: TinyWorld) -> DatasetRef:
    """Validation prompts whose samples are compared to test the implicit reward."""
    from tasks.data import scenario

    return scenario.draw_held_out_prompts(world)


@stage()
def draw_validation(world: TinyWorld) -> DatasetRef:
    """Validation prompts with a demonstration each, the same for every arm, seed and paper."""
    from tasks.data import scenario

    return scenario.draw_validation(world)


@stage()
def draw_evaluation(world: TinyWorld) -> DatasetRef:
    """Evaluation prompts with a demonstration each, the same for every arm, seed and paper."""
    from tasks.data import scenario

    return scenario.draw_evaluation(world)


@stage()
def label_preferences(samples: Samples, world: TinyWorld, seed: int) -> DatasetRef:
    """Compare the two samples of every prompt by the tiny world's reward."""
    from tasks.data import labelling

    return labelling.label_preferences(samples, world, seed)


@stage()
def prepare_preferences(source: DataSource, content: str, base: Checkpoint, evaluation_prompts: int) -> PreferenceData:
    """Read, check and split real preference pairs; ``content`` is the source's digest."""
    from tasks.data import preferences

    return preferences.prepare_preferences(source, base, evaluation_prompts)


@stage()
def samples_as_demonstrations(samples: Samples) -> DatasetRef:
    """Sampled responses as demonstrations, for supervised fine-tuning on a policy's own answers."""
    from tasks.data import chosen_samples

    return chosen_samples.samples_as_demonstrations(samples)


@stage()
def take_portion(dataset: DatasetRef, first: int, count: int) -> DatasetRef:
    """Some rows of a data set of prompts or demonstrations, beginning again after the last."""
    from tasks.data import portions

    return portions.take_portion(dataset, first, count)
