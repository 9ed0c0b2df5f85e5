"""How exploitable a policy's mixture of styles is where preferences between styles go in a circle."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import Point, log_means, points_of
from tasks.evaluation.response_metrics import by_prompt
from tasks.evaluation.rewarded import START
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import draw
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler
from tasks.policy.fresh.choices import Floats
from tasks.policy.fresh.cyclic import STYLES, cyclic_wins, styles_of
from tasks.policy.fresh.labellers import CyclicLabels


def measure_styles(
    series: CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    labels: CyclicLabels,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """The styles of one response a prompt at every checkpoint, and before them, at point ``0%``, of ``reference``.

    Metrics: ``style_exploitability`` (see ``exploitability``), ``style_plain``. Raises UserError for prompts of another
    family than instruct.
    """
    tracker = current_tracker()
    tracker.dataset(prompts, "evaluation")
    rows = read_rows_of(prompts, PromptRow)
    frames = []
    for done, point in enumerate([Point(START, reference, decoding), *points_of(series, decoding)]):
        policy, tokenizer = open_frozen(point.policy, model)
        samples = draw(InProcessSampler(policy, tokenizer, decoding.batch_rows), rows, decoding, 1, seed)
        styles = styles_of(samples)
        metrics = {
            "style_exploitability": exploitability(styles, labels).tolist(),
            "style_plain": (styles == 0).astype(float).tolist(),
        }
        frames.append(by_prompt(samples, metrics).assign(point=point.name))
        log_means("eval", metrics, done)
    return store_scores(pd.concat(frames, ignore_index=True))


def exploitability(styles: npt.NDArray[np.int64], labels: CyclicLabels) -> Floats:
    """[responses] how often the best single style beats each response, content equal, less 1/2.

    The mean estimates max_s P(s beats the policy) - 1/2, half the duality gap of the game between styles without KL: 0
    where all styles are equally likely, its Nash policy, and labels.advantage - 1/2 where there is one style alone. The
    best style against one half of the responses is found on the other half, so that noise cannot raise the mean.
    """
    wins = cyclic_wins(np.arange(len(STYLES)), np.zeros(len(STYLES)), labels)
    halves = np.arange(len(styles)) % 2
    found = np.empty(len(styles))
    for half in (0, 1):
        here = halves == half
        best = int(wins[:, styles[~here]].mean(axis=1).argmax()) if (~here).any() else 0
        found[here] = wins[best, styles[here]] - 0.5
    return found
