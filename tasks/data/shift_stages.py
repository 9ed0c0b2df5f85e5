"""Shifted test pairs as Prefect tasks."""

from tasks.data.world import TinyWorld
from tasks.engine.refs import DatasetRef, PreferenceData
from tasks.engine.stage import stage


@stage()
def compare_demonstrations(prompts: DatasetRef, world: TinyWorld, seed: int) -> DatasetRef:
    """Two demonstrations of every prompt, compared by the gold reward."""
    from tasks.data import shifts

    return shifts.compare_demonstrations(prompts, world, seed)


@stage()
def leave_out_ties(pairs: DatasetRef) -> DatasetRef:
    """The pairs whose two answers differ in gold reward."""
    from tasks.data import shifts

    return shifts.leave_out_ties(pairs)


@stage()
def held_out_of(data: PreferenceData) -> DatasetRef:
    """The held-out pairs of real data, as a test set."""
    return data.held_out_pairs
