"""Best-of-n as a decoding arm: sample n, keep the one a reward prefers."""

from itertools import groupby

from tasks.data.tables import read_rows_of
from tasks.engine.refs import CheckpointSeries, Samples
from tasks.evaluation.response_metrics import encoded
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow, store_samples
from tasks.models.opening import open_frozen
from tasks.models.reference import score_groups


def choose_by_implicit_reward(samples: Samples, series: CheckpointSeries, model: ModelConfig) -> Samples:
    """Of each prompt's samples, the one with the largest log pi(y|x) - log pi_ref(y|x); the first on a tie.

    The samples were drawn from the reference, so their own ``log_prob`` is the second term; the last checkpoint of
    ``series`` was trained on the pairs, and its log-ratio is the reward they teach (DPO, arXiv 2305.18290, Eq. 5).
    """
    rows = read_rows_of(samples, SampleRow)
    policy, tokenizer = open_frozen(series.final, model)
    scores = [one[0] for one in score_groups(policy, encoded(tokenizer, rows))]
    rewards = [score - row["log_prob"] for score, row in zip(scores, rows, strict=True)]
    chosen = []
    for _, group in groupby(zip(rows, rewards, strict=True), key=lambda item: item[0]["prompt_id"]):
        chosen.append(max(group, key=lambda item: item[1])[0])
    return store_samples(chosen)
