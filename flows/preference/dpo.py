"""DPO (arXiv 2305.18290): configuration, claims and flow."""

from dataclasses import dataclass
from typing import Any, Literal

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field

from flows.paper import Paper, PaperConfig
from tasks.data.identity import identify_model, identify_source
from tasks.data.labelling import label_preferences
from tasks.data.preferences import prepare_preferences
from tasks.data.scenario import (
    TinyWorld,
    draw_demonstrations,
    draw_evaluation_demonstrations,
    draw_held_out_prompts,
    draw_pair_prompts,
)
from tasks.data.source import DataSource
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Scores
from tasks.engine.session import arm, paper_run
from tasks.evaluation.best_of_n import choose_by_implicit_reward
from tasks.evaluation.measuring import (
    Evaluation,
    measure_checkpoint,
    measure_demonstrations,
    measure_pairs,
    measure_samples,
    measure_series,
    measure_temperatures,
)
