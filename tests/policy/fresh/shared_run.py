"""One process of a distributed run on fresh pairs. ``python shared_run.py JOB_JSON`` under torchrun's variables."""

import os
import sys

from accelerate import PartialState
from dying_fresh_run import FreshJob
from freshly import BY_DENSE
from reinforced import MODEL

from tasks.engine.tracking import stage_tracker
from tasks.policy.fresh.loop import optimise_on_fresh_pairs
from tasks.policy.objectives.inpo import INPO

job = FreshJob.model_validate_json(sys.argv[1])
rank = os.environ["RANK"]
with stage_tracker(job.folder / f"rank-{rank}.jsonl", job.folder / "work"):
    run = optimise_on_fresh_pairs(
        job.start, job.start, job.prompts, BY_DENSE, [], INPO(), job.fresh, job.training, MODEL, 0
    )
(job.folder / f"rank-{rank}.json").write_text(run.model_dump_json())
assert PartialState().num_processes == int(os.environ["WORLD_SIZE"])
