"""The checkpoint that an earlier run trained, by its MLflow run id."""

import json

from tasks.engine.home import tracking_uri
from tasks.engine.refs import Checkpoint
from tasks.engine.schema import UserError
from tasks.engine.store import Store
from tasks.engine.tracking import CHECKPOINT_TAG


def checkpoint_of_run(run_id: str) -> Checkpoint:
    """The checkpoint of an arm's run or of a training stage's.

    Raises:
        UserError: no such run, a run without a checkpoint (the message lists those below it that have one), or a
            checkpoint that is no longer in the store.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri())
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise UserError(f"{run_id}: no such run in {tracking_uri()}; copy the id from MLflow") from error
    if CHECKPOINT_TAG not in run.data.tags:
        below = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
        having = [f"{one.info.run_id} ({one.info.run_name})" for one in below if CHECKPOINT_TAG in one.data.tags]
        advice = (
            f"below it these do: {', '.join(having)}" if having else "give the run of an arm or of a training stage"
        )
        raise UserError(f"run {run_id} ({run.info.run_name}) trained no checkpoint; {advice}")
    checkpoint = Checkpoint.model_validate(json.loads(run.data.tags[CHECKPOINT_TAG]))
    if not Store().exists(checkpoint):
        raise UserError(f"run {run_id}: its checkpoint {checkpoint.digest[:12]} is not in the store any more; train it "
                        "again")  # fmt: skip
    return checkpoint
