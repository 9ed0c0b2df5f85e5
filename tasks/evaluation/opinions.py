"""Policies as several reward functions see them, with the likeness of their responses to different prompts."""

from collections.abc import Callable, Sequence

from tasks.data.tables import read_rows_of, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef, Samples, Scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.likeness import distinct_shares, meteor_across
from tasks.evaluation.measuring import Drawn, Point, log_means, measure, points_of
from tasks.evaluation.opinion_settings import Opinion
from tasks.evaluation.response_metrics import by_prompt, response_metrics, sample_table
from tasks.evaluation.scores import FINAL
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow
from tasks.reward.bounded import open_bounded
from tasks.reward.judged import Judged

PARTNERS = 16
"""Responses to other prompts that every response is compared with."""
Judges = dict[str, Callable[[Sequence[Judged]], list[float]]]


def measure_opinions(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    temperatures: list[float],
    opinions: list[Opinion],
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Measure a policy, or every checkpoint of a run, as ``measuring.measure`` does and by ``opinions``.

    ``temperatures`` add points ``T0`` and so on of the last checkpoint. ``fitted`` are the reward models of the
    opinions, in their order. Further metrics: the opinions', ``finished``, ``meteor_across_prompts``,
    ``corpus_distinct_1``, ``_2`` and ``_3``.

    Raises UserError if the opinions do not read as many reward models as are given.
    """
    judges = open_judges(opinions, fitted, model)
    final = policy.final if isinstance(policy, CheckpointSeries) else policy
    trained = points_of(policy, decoding) if isinstance(policy, CheckpointSeries) else [Point(FINAL, policy, decoding)]
    heated = [
        Point(f"T{temperature:g}", final, decoding.model_copy(update={"temperature": temperature}))
        for temperature in temperatures
    ]

    def probe(drawn: Drawn) -> dict[str, list[float]]:
        return opinion_metrics(judges, drawn.samples, seed)

    return measure([*heated, *trained], reference, prompts, model, seed, probe)


def measure_chosen(
    samples: Samples, opinions: list[Opinion], fitted: list[RewardRef], model: ModelConfig, seed: int
) -> Scores:
    """The same of responses that were chosen before, one a prompt: everything but the KL."""
    judges = open_judges(opinions, fitted, model)
    rows = read_rows_of(samples, SampleRow)
    metrics = response_metrics(rows) | opinion_metrics(judges, rows, seed)
    log_means("eval", metrics, 0)
    current_tracker().table("samples.json", sample_table(rows, metrics))
    return store_scores(by_prompt(rows, metrics).assign(point=FINAL))


def open_judges(opinions: Sequence[Opinion], fitted: Sequence[RewardRef], model: ModelConfig) -> Judges:
    """Metric → its reward function. Raises UserError if ``fitted`` are too few or too many."""
    wanted = sum(opinion.members for opinion in opinions)
    if wanted != len(fitted):
        raise UserError(f"{len(opinions)} opinions read {wanted} reward models and {len(fitted)} are given")
    left = list(fitted)
    judges: Judges = {}
    for opinion in opinions:
        own, left = left[: opinion.members], left[opinion.members :]
        judges[opinion.metric] = open_bounded(opinion.reward, own, model)
    return judges


def opinion_metrics(judges: Judges, samples: Sequence[SampleRow], seed: int) -> dict[str, list[float]]:
    """One value a sample of every opinion and of its likeness to the others."""
    batch = [Judged(row, row["response"], row["finished"]) for row in samples]
    responses = [row["response"] for row in samples]
    similar = meteor_across(responses, PARTNERS, seed)
    return {
        **{metric: judge(batch) for metric, judge in judges.items()},
        "finished": [float(row["finished"]) for row in samples],
        **({"meteor_across_prompts": similar} if similar else {}),
        **{f"corpus_distinct_{n}": distinct_shares(responses, n) for n in (1, 2, 3)},
    }
