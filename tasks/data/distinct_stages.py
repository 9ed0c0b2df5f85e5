"""Every prompt once as a Prefect task."""

from tasks.engine.refs import DatasetRef
from tasks.engine.stage import stage


@stage()
def take_each_prompt_once(demonstrations: DatasetRef) -> DatasetRef:
    """The first row of every prompt."""
    from tasks.data import distinct_prompts

    return distinct_prompts.take_each_prompt_once(demonstrations)
