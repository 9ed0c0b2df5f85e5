"""Measuring policies by the learned reward that they were trained on, beside the gold reward."""

from collections.abc import Sequence

from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Scores
from tasks.evaluation.measuring import Drawn, Point, measure, points_of
from tasks.evaluation.scores import FINAL
from tasks.models.batching import plan_scoring
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow
from tasks.models.kl import k2, k3
from tasks.models.log_probs import response_log_probs
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable, evaluating
from tasks.models.reference import MAX_TOKENS
from tasks.reward.function import Judged, RewardFunction, RewardSource, open_reward_function

START = "0%"
"""Name of the point at which every training run begins: the reference itself."""
METRIC_OF = {"reward": "proxy_reward", "variance": "reward_variance", "cost": "proxy_cost"}
"""Metrics that the columns of a reward function are measured as; other columns (single members) are left out."""


def measure_rewarded_series(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    source: RewardSource,
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Measure every checkpoint of a training run as ``measure`` does, and by the reward function of ``source``.

    Further metrics: ``proxy_reward``, ``reward_variance`` of an ensemble, ``proxy_cost`` of a reward function with a
    cost, ``finished``, and where responses are drawn as trained ``kl_k2`` and ``kl_k3``, sampled token by token. The
    points are ``25%`` and so on, the last one without a name, and before them ``0%``: the reference under the same
    reward function, from which curves of this proxy start. A single checkpoint is one point without a name.

    Raises:
        UserError: the reward function cannot be opened, or reads fewer tokens than a response has.
    """
    rewards = open_reward_function(source, fitted, model)
    points = (
        [Point(START, reference, decoding), *points_of(policy, decoding)]
        if isinstance(policy, CheckpointSeries)
        else [Point(FINAL, policy, decoding)]
    )

    def probe(drawn: Drawn) -> dict[str, list[float]]:
        divergence = token_divergence(drawn.policy, drawn.reference, drawn.groups) if drawn.as_trained else {}
        return reward_metrics(rewards, drawn.samples) | divergence

    return measure(points, reference, prompts, model, seed, probe)


def reward_metrics(rewards: RewardFunction, samples: Sequence[SampleRow]) -> dict[str, list[float]]:
    """The reward function's columns under the names of their metrics, and whether each response came to its end."""
    columns = rewards.score([Judged(row, row["response"], row["finished"]) for row in samples])
    return {
        **{METRIC_OF[name]: values for name, values in columns.items() if name in METRIC_OF},
        "finished": [float(row["finished"]) for row in samples],
    }


def token_divergence(
    policy: Scorable, reference: Scorable, groups: Sequence[EncodedGroup], max_tokens: int = MAX_TOKENS
) -> dict[str, list[float]]:
    """k2 and k3 of the tokens' log-ratios, summed over each response, for one response a group, in nats.

    The sum of k2 is what the ensembles paper reports as KL (arXiv 2310.02743; official code, ``policy/kl``).
    Raises UserError if a prompt with its response is longer than the context of either model.
    """
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in groups]
    squared, unbiased = [0.0] * len(groups), [0.0] * len(groups)
    with evaluating(policy), evaluating(reference):
        for batch in plan_scoring(lengths, max_tokens):
            part = [groups[index] for index in batch]
            ratio = response_log_probs(policy, part).values - response_log_probs(reference, part).values
            for index, two, three in zip(batch, k2(ratio).sum(-1).tolist(), k3(ratio).sum(-1).tolist(), strict=True):
                squared[index], unbiased[index] = two, max(three, 0.0)
    return {"kl_k2": squared, "kl_k3": unbiased}
