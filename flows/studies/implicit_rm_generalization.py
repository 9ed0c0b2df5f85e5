"""Generalisation of the implicit reward of DPO (arXiv 2409.03650): the flow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd
from plotly.graph_objects import Figure
from prefect import flow
from prefect.futures import PrefectFuture

from dashboards.generalisation_figures import accuracy_by_test_set, accuracy_off_against_on
from flows.matched import Rows, Shared, benchmark, share_inputs
from flows.paper import Paper
from flows.report import Extras, Report, publish
from flows.studies.implicit_rm_generalization_claims import (
    ACCURACY,
    ARMS,
    DROP,
    GOLD,
    LABELS,
    OOD,
    claims_of,
    noisy,
)
from flows.studies.implicit_rm_generalization_settings import ImplicitRMConfig
from flows.studies.implicit_rm_iterative import iterate
from flows.studies.implicit_rm_test_sets import ID, REAL, TRAIN, TestSets, test_sets_of, validation_of
from flows.studies.sizes import ModelSize, share_at_size, sized
from tasks.data.label_stages import flip_labels
from tasks.engine.refs import CheckpointSeries, LogProbs, Scores
from tasks.engine.session import arm, paper_run
from tasks.evaluation.collecting import Collected, Pending, collect
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.shifted_accuracies import accuracy_drops, pooled
from tasks.models.stages import score_pairs
from tasks.policy.stages import optimise_preferences
from tasks.reward.series import RewardSeries
from tasks.reward.series_stages import (
    best_policy,
    best_reward,
    fit_reward_series,
    matched_policy,
    matched_reward,
    rank_by_length,
    rank_by_likelihood,
    rank_by_log_ratio,
    rank_by_reward,
)

KEY = "implicit_rm_generalization"
Explicit = PrefectFuture[RewardSeries]
Implicit = PrefectFuture[CheckpointSeries]
References = Mapping[str, PrefectFuture[LogProbs]]


@dataclass(frozen=True)
class Trials:
    """What both arms were tried with, and how accurate each checkpoint is on validation pairs."""

    explicit: list[Explicit]
    explicit_validation: list[PrefectFuture[Scores]]
    implicit: list[Implicit]
    implicit_validation: list[PrefectFuture[Scores]]


@flow(name=KEY, flow_run_name=KEY + "-{config.scale}")
def implicit_rm_generalization(config: ImplicitRMConfig = ImplicitRMConfig()) -> Report:
    """On the Limited Generalization Capability of the Implicit Reward Model Induced by DPO (arXiv 2409.03650).

    An explicit reward model and DPO start from one SFT model and see the same pairs in the same order, equally often
    and with equally many trials; rates, betas and the step to stop at are chosen on validation pairs of the training
    distribution. The paper's body was not at hand: which shifts, and how iterative DPO is set up, are ours.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "studies", "scale": config.scale, "scenario": scenario}
    with paper_run(KEY, config, tags, f"{KEY}-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_seed(config, shared)]
        collected = with_pooled(config, collect(KEY, pending))
        extras = Extras(figures=figures_of(config, collected.scores))
        suites = [*suites_of(config, collected.scores), *config.benchmarks.suites]
        return publish(session, collected, claims_of(config), suites, extras)


def compare_seed(config: ImplicitRMConfig, shared: Shared) -> list[Pending]:
    """Every comparison of one seed: rewards by size and label noise, and iterative DPO with the study's own model."""
    tests = test_sets_of(config, shared)
    pending, explicit, implicit = compare_rewards(config, shared, tests, None)
    for size in config.sizes:
        settings = config.model_copy(update={"model": size.model})
        pending += compare_rewards(settings, share_at_size(config, shared, size), tests, size)[0]
    for noise in config.noises:
        pending += compare_at_noise(config, shared, tests, noise)
    pending += [*benchmark(config, shared, "sft", shared.sft), *benchmark(config, shared, "dporm", implicit)]
    return pending + iterate(config, shared, explicit, implicit)


def compare_rewards(
    config: ImplicitRMConfig, shared: Shared, tests: TestSets, size: ModelSize | None
) -> tuple[list[Pending], Explicit, Implicit]:
    """Both rewards, as selected and at matched accuracy, and the simple rules, on every test set; and what was kept."""
    validation = validation_of(config, shared)
    with arm(sized("sft", size), shared.seed):
        references = {suite: score_pairs.submit(shared.sft, pairs, config.model) for suite, pairs in tests.items()}
        frozen = score_pairs.submit(shared.sft, validation, config.model)
    trials = try_settings(config, shared, shared.pairs, (validation, frozen), size, 0.0)
    names = [sized(name, size) for name in ("exrm", "dporm")]
    explicit, implicit = select(trials, names, shared.seed)
    with arm(names[0], shared.seed):
        accurate = rank_by_reward.submit(explicit, validation, config.model)
    with arm(names[1], shared.seed):
        accurate_implicitly = rank_by_log_ratio.submit(implicit, validation, frozen, config.model)
    targets, unseen = [accurate, accurate_implicitly], {suite: tests[suite] for suite in tests if suite != TRAIN}
    with arm(sized("exrm_matched", size), shared.seed):
        near = matched_reward.submit(trials.explicit, trials.explicit_validation, targets)
    with arm(sized("dporm_matched", size), shared.seed):
        near_implicit = matched_policy.submit(trials.implicit, trials.implicit_validation, targets)
    pending = [
        *measure_explicit(config, shared, sized("exrm", size), explicit, tests),
        *measure_implicit(config, shared, sized("dporm", size), implicit, tests, references),
        *measure_explicit(config, shared, sized("exrm_matched", size), near, unseen),
        *measure_implicit(config, shared, sized("dporm_matched", size), near_implicit, unseen, references),
        *measure_rules(config, shared, implicit, unseen, size),
    ]
    return pending, explicit, implicit


def compare_at_noise(config: ImplicitRMConfig, shared: Shared, tests: TestSets, noise: float) -> list[Pending]:
    """Both rewards trained on flipped labels, on the training distribution's test set. Validation is flipped alike."""
    with arm("pairs", shared.seed):
        pairs = flip_labels.submit(shared.pairs, noise, shared.seed)
        validation = flip_labels.submit(validation_of(config, shared), noise, shared.seed)
        frozen = score_pairs.submit(shared.sft, validation, config.model)
        reference = score_pairs.submit(shared.sft, tests[ID], config.model)
    trials = try_settings(config, shared, pairs, (validation, frozen), None, noise)
    names = [noisy(name, noise) for name in ("exrm", "dporm")]
    explicit, implicit = select(trials, names, shared.seed)
    only = {ID: tests[ID]}
    return [
        *measure_explicit(config, shared, names[0], explicit, only),
        *measure_implicit(config, shared, names[1], implicit, only, {ID: reference}),
    ]


def try_settings(
    config: ImplicitRMConfig,
    shared: Shared,
    pairs: Rows,
    validation: tuple[Rows, PrefectFuture[LogProbs]],
    size: ModelSize | None,
    noise: float,
) -> Trials:
    """Train every trial of both arms on ``pairs``; ``validation`` are pairs with the SFT model's scores of them."""
    judged, frozen = validation
    with arm(sized(noisy("exrm", noise), size), shared.seed):
        explicit = [
            fit_reward_series.submit(
                shared.sft,
                pairs,
                judged,
                config.objective,
                config.explicit_training(rate),
                config.model,
                shared.seed,
            )
            for rate in config.explicit_rates
        ]
        ranked = [rank_by_reward.submit(one, judged, config.model) for one in explicit]
    with arm(sized(noisy("dporm", noise), size), shared.seed):
        reference = score_pairs.submit(shared.sft, pairs, config.model)
        implicit = [
            optimise_preferences.submit(shared.sft, pairs, reference, objective, training, config.model, shared.seed)
            for objective, training in (config.implicit_trial(*one) for one in config.implicit.every())
        ]
        ranked_implicitly = [rank_by_log_ratio.submit(one, judged, frozen, config.model) for one in implicit]
    return Trials(explicit, ranked, implicit, ranked_implicitly)


def select(trials: Trials, names: list[str], seed: int) -> tuple[Explicit, Implicit]:
    """The most accurate checkpoint of each arm's trials on validation pairs."""
    with arm(names[0], seed):
        explicit = best_reward.submit(trials.explicit, trials.explicit_validation)
    with arm(names[1], seed):
        implicit = best_policy.submit(trials.implicit, trials.implicit_validation)
    return explicit, implicit


def measure_explicit(
    config: ImplicitRMConfig, shared: Shared, name: str, series: Explicit, tests: TestSets
) -> list[Pending]:
    """Reward models on test sets, every checkpoint of them."""
    with arm(name, shared.seed):
        return [
            Pending(name, shared.seed, suite, rank_by_reward.submit(series, pairs, config.model))
            for suite, pairs in tests.items()
        ]


def measure_implicit(
    config: ImplicitRMConfig, shared: Shared, name: str, series: Implicit, tests: TestSets, references: References
) -> list[Pending]:
    """Policies' implicit rewards on test sets, every checkpoint of them."""
    with arm(name, shared.seed):
        return [
            Pending(
                name,
                shared.seed,
                suite,
                rank_by_log_ratio.submit(series, pairs, references[suite], config.model),
                series,
            )
            for suite, pairs in tests.items()
        ]


def measure_rules(
    config: ImplicitRMConfig, shared: Shared, implicit: Implicit, tests: TestSets, size: ModelSize | None
) -> list[Pending]:
    """What needs no fit of its own: the DPO policy without its reference, the SFT model's likelihood, length."""
    rules = {
        "reference_free": lambda pairs: rank_by_likelihood.submit(implicit, pairs, config.model),
        "sft_likelihood": lambda pairs: rank_by_likelihood.submit(shared.sft, pairs, config.model),
        "length": lambda pairs: rank_by_length.submit(shared.pairs, pairs, shared.sft),
    }
    pending = []
    for rule, measure in rules.items():
        if rule in config.arms:
            with arm(sized(rule, size), shared.seed):
                pending += [
                    Pending(sized(rule, size), shared.seed, suite, measure(pairs)) for suite, pairs in tests.items()
                ]
    return pending


def figures_of(config: ImplicitRMConfig, scores: pd.DataFrame) -> list[Figure]:
    """Accuracy by test set, and on the shifted sets against the training distribution."""
    off = [shift.name for shift in config.shifts] or [REAL]
    return [
        accuracy_by_test_set(scores, [ID, *off], ACCURACY),
        accuracy_off_against_on(scores, ["exrm", "dporm"], ID, off, ACCURACY),
    ]


def with_pooled(config: ImplicitRMConfig, collected: Collected) -> Collected:
    """Add what several test sets say together."""
    scores = collected.scores
    shifted = [shift.name for shift in config.shifts]
    kinds = {shift.kind for shift in config.shifts}
    ends = scores[~scores["arm"].str.contains("@")]
    parts = {OOD: shifted} | {kind: [one.name for one in config.shifts if one.kind == kind] for kind in kinds}
    derived = [pooled(ends, suites, ACCURACY, name) for name, suites in parts.items() if suites]
    derived += accuracy_drops(ends, KEY, ID, shifted, ACCURACY, DROP)
    return replace(collected, scores=concat_scores([scores, *derived]))


def suites_of(config: ImplicitRMConfig, scores: pd.DataFrame) -> list[str]:
    """The suites that the report shows, of those that have scores."""
    kinds = sorted({shift.kind for shift in config.shifts})
    known = [ID, OOD, *kinds, *(shift.name for shift in config.shifts), REAL, TRAIN, DROP, LABELS, GOLD]
    present = set(scores["suite"])
    return [suite for suite in known if suite in present]


PAPER = Paper(
    key=KEY,
    title="On the Limited Generalization Capability of the Implicit Reward Model Induced by DPO",
    arxiv="2409.03650",
    family="studies",
    summary=(
        "A policy trained by DPO defines a reward of its own. It fits the training pairs as well as an explicit reward "
        "model does, but ranks pairs less accurately when prompts or answers come from elsewhere: a reason to keep an "
        "explicit reward model in iterative DPO."
    ),
    flow="flows.studies.implicit_rm_generalization:implicit_rm_generalization",
    config=ImplicitRMConfig,
    arms=ARMS,
    claims=claims_of(ImplicitRMConfig()),
    minutes={"smoke": 1.0, "laptop": 20.0, "gpu": 1200.0},
)
