"""How a policy's average log-probability ranks held-out pairs, and how it goes with length."""

from collections.abc import Sequence

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, Scores
from tasks.engine.tracking import current_tracker
from tasks.evaluation.measuring import log_means
from tasks.evaluation.response_metrics import by_prompt
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_response
from tasks.models.opening import open_frozen
from tasks.models.reference import score_rows
from tasks.models.scoring import read_log_probs

Pairs = Sequence[Sequence[float]]
"""[rows][chosen, rejected]."""


def measure_likelihoods(
    policy: Checkpoint | CheckpointSeries, held_out: DatasetRef, reference: LogProbs, model: ModelConfig
) -> Scores:
    """Average log-probabilities of held-out pairs under a policy (of a series, the last checkpoint).

    Metrics as in ``likelihood_metrics``; ``reference`` holds the frozen model's scores of the pairs. A prompt with
    several pairs brings their mean. Raises UserError if a pair is longer than the model's context.
    """
    current_tracker().dataset(held_out, "evaluation")
    checkpoint = policy.final if isinstance(policy, CheckpointSeries) else policy
    opened, tokenizer = open_frozen(checkpoint, model)
    rows = read_rows_of(held_out, PairRow)
    scores = score_rows(opened, tokenizer, [(row["prompt"], [row["chosen"], row["rejected"]]) for row in rows])
    lengths = [[len(encode_response(tokenizer, text)) for text in (row["chosen"], row["rejected"])] for row in rows]
    metrics = likelihood_metrics(scores, read_log_probs(reference), lengths)
    log_means("held_out", metrics, 0)
    means = by_prompt(rows, metrics).groupby(["prompt_id", "metric"], as_index=False).agg({"value": "mean"})
    return store_scores(means.assign(point=FINAL))


def likelihood_metrics(scores: Pairs, frozen: Pairs, lengths: Sequence[Sequence[int]]) -> dict[str, list[float]]:
    """One value a pair, from summed log-probabilities of policy and reference, in nats, and lengths in tokens.

    ``likelihood_accuracy``: the chosen response has the larger average log-probability, SimPO's reward (arXiv
    2405.14734, Eq. 4). ``reward_likelihood_agreement``: the log-ratio to the reference, DPO's reward, prefers the same
    response as the average log-probability (section 4.4). ``chosen_token_log_prob`` and ``chosen_tokens``: the chosen
    response's average log-probability and length.
    """
    averages = [
        [score / max(n, 1) for score, n in zip(*pair, strict=True)] for pair in zip(scores, lengths, strict=True)
    ]
    by_likelihood = [chosen - rejected for chosen, rejected in averages]
    by_ratio = [(a - c) - (b - d) for (a, b), (c, d) in zip(scores, frozen, strict=True)]
    return {
        "likelihood_accuracy": [above_zero(margin) for margin in by_likelihood],
        "reward_likelihood_agreement": [
            above_zero(one * other) for one, other in zip(by_likelihood, by_ratio, strict=True)
        ],
        "chosen_token_log_prob": [chosen for chosen, _ in averages],
        "chosen_tokens": [float(chosen) for chosen, _ in lengths],
    }


def above_zero(value: float) -> float:
    """1 above zero, 0 below, 0.5 at it."""
    return 1.0 if value > 0.0 else 0.5 if value == 0.0 else 0.0
