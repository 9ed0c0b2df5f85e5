"""What the online-offline gap measures: win rates against the golden baseline, KL, and policies as classifiers."""

from collections.abc import Mapping
from dataclasses import replace

from flows.matched import Shared, benchmark
from flows.preference.matched import Matched
from flows.preference.online import Series
from flows.studies.online_offline_gap_arms import GOLDEN, Study
from flows.studies.online_offline_gap_config import GapConfig, Part
from flows.studies.sizes import ModelSize, sized
from tasks.engine.session import arm
from tasks.evaluation.classification_stages import (
    classify_by_label,
    classify_own_samples,
    classify_stream,
    compare_weights,
)
from tasks.evaluation.collecting import Collected, Pending
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.stages import measure_checkpoint, measure_demonstrations, measure_pairs, measure_series
from tasks.evaluation.win_rate import win_rate_scores

GOLD, PAIRS, STREAM, OWN, TANDEM = "gold", "pairs", "stream", "own_samples", "tandem"
SUITES: Mapping[str, set[Part]] = {
    GOLD: set(), PAIRS: {"E8", "E9"}, STREAM: {"E7"}, OWN: {"E10"}, TANDEM: {"E3"}
}  # fmt: skip
"""Suite to the parts that score it; none: always."""
LABELLER = "proxy"
WIN_RATE = f"win_rate_vs_{GOLDEN}"


def suite_of(size: ModelSize | None) -> str:
    """The suite of a policy size: curves of another size start at another SFT model."""
    return f"{GOLD}_{size.name}" if size else GOLD


def suites_of(config: GapConfig) -> list[str]:
    """The suites that the parts score."""
    parts = set(config.parts)
    own = [suite for suite, asked in SUITES.items() if not asked or asked & parts]
    return own + [suite_of(size) for size in config.sizes if "E12" in parts]


def measure_arms(config: GapConfig, shared: Matched, study: Study) -> list[Pending]:
    """Every checkpoint of every arm by gold reward and KL, and what the parts ask for besides."""
    parts = set(config.parts)
    return [
        *measure_start(config, shared),
        *(score for name, series in study.trained.items() for score in measure_trained(config, shared, name, series)),
        *(measure_on_fixed_pairs(config, shared, study.trained) if parts & {"E8", "E9"} else []),
        *(measure_on_stream(config, shared, study) if "E7" in parts else []),
        *(measure_on_own(config, shared, study.trained) if "E10" in parts else []),
        *(measure_tandem(shared, study.trained) if "E3" in parts else []),
    ]


def measure_start(config: GapConfig, shared: Shared, size: ModelSize | None = None) -> list[Pending]:
    """The SFT model, where every curve of its size starts, and the demonstrators' own answers."""
    seed, settings, name, suite = shared.seed, config.evaluation, sized("sft", size), suite_of(size)
    with arm(name, seed):
        start = measure_checkpoint.submit(
            shared.sft, shared.sft, shared.evaluation, settings.decoding, config.model, seed
        )
    with arm("demonstrations", seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        Pending(name, seed, suite, start, shared.sft),
        Pending("demonstrations", seed, suite, demonstrated),
        *benchmark(config, shared, name, shared.sft),
    ]


def measure_trained(
    config: GapConfig, shared: Shared, name: str, series: Series, size: ModelSize | None = None
) -> list[Pending]:
    """The checkpoints of one arm; each point of the paper's figures is one of them."""
    seed, settings = shared.seed, config.evaluation
    with arm(name, seed):
        scores = measure_series.submit(series, shared.sft, shared.evaluation, settings.decoding, config.model, seed)
    return [Pending(name, seed, suite_of(size), scores, series), *benchmark(config, shared, name, series)]


def measure_on_fixed_pairs(config: GapConfig, shared: Matched, trained: Mapping[str, Series]) -> list[Pending]:
    """E8 and E9: accuracy and log-probabilities of every arm on the pairs that offline arms learn from."""
    pending = []
    for name, series in trained.items():
        with arm(name, shared.seed):
            scores = measure_pairs.submit(series, shared.pairs, shared.reference, config.ipo.tau, config.model)
        pending.append(Pending(name, shared.seed, PAIRS, scores))
    return pending


def measure_on_stream(config: GapConfig, shared: Matched, study: Study) -> list[Pending]:
    """E7: the labeller and the final policies on the online run's pairs, along the run."""
    seed, parts, count = shared.seed, config.stream_parts, config.pairs_a_part
    with arm(LABELLER, seed):
        pending = [Pending(LABELLER, seed, STREAM, classify_by_label.submit(study.stream, parts, count))]
    for name, series in study.trained.items():
        with arm(name, seed):
            scores = classify_stream.submit(study.stream, series, shared.sft, parts, count, config.model)
        pending.append(Pending(name, seed, STREAM, scores))
    return pending


def measure_on_own(config: GapConfig, shared: Matched, trained: Mapping[str, Series]) -> list[Pending]:
    """E10: every final policy on two of its own responses a prompt."""
    decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
    pending = []
    for name, series in trained.items():
        with arm(name, shared.seed):
            scores = classify_own_samples.submit(
                series, shared.sft, shared.evaluation, decoding, config.model, shared.seed
            )
        pending.append(Pending(name, shared.seed, OWN, scores))
    return pending


def measure_tandem(shared: Matched, trained: Mapping[str, Series]) -> list[Pending]:
    """E3: whether the replay leaves the online run's weights; and whether the shuffled one, if it runs, does not."""
    pending = []
    for name in ("tandem", "shuffled"):
        if name in trained:
            with arm(name, shared.seed):
                scores = compare_weights.submit(trained["online"], trained[name])
            pending.append(Pending(name, shared.seed, TANDEM, scores))
    return pending


def with_wins_over_golden(collected: Collected) -> Collected:
    """Scores with the win rate of every checkpoint of every arm against the golden baseline's last one."""
    scores = collected.scores
    here = scores[(scores["suite"] == GOLD) & (scores["metric"] == "gold_reward")]
    arms = [str(name) for name in here["arm"].unique()]
    if GOLDEN not in arms:
        return collected
    wins = [win_rate_scores(scores, name, GOLDEN, GOLD) for name in arms if name != GOLDEN]
    return replace(collected, scores=concat_scores([scores, *wins]))
