"""Scaling laws for over-optimisation in direct alignment (arXiv 2406.02900): the flow."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd
from prefect import flow

from dashboards.scaling_law_figures import scaling_law_figures
from flows.matched import benchmark
from flows.paper import Paper
from flows.preference.matched import Matched, share_inputs, with_reference
from flows.report import Extras, Report, publish
from flows.studies.daa_scaling_laws_claims import (
    ARMS,
    FITS,
    GOLD,
    LENGTH,
    PAIRS,
    SIZES,
    TREE,
    WINS,
    claims_of,
)
from flows.studies.daa_scaling_laws_settings import LOSSES, PLAIN, DAAScalingLawsConfig, Run, points_of_all
from flows.studies.sizes import ModelSize, share_at_size, sized
from tasks.engine.session import arm, paper_run
from tasks.evaluation.collecting import Collected, Pending, collect
from tasks.evaluation.leaderboard import with_win_rates
from tasks.evaluation.scaling_law_fits import Curve, ScalingLaws, error_ratios, fit_scaling_laws
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.stages import measure_checkpoint, measure_demonstrations, measure_pairs, measure_series
from tasks.evaluation.whole_run_scores import length_regressions, whole_run_scores
from tasks.policy.stages import optimise_preferences
from tasks.policy.tree_stages import train_on_tree

KEY = "daa_scaling_laws"
FITTED = (WINS, "gold_reward")
"""What laws are fitted to: the paper's win rate, and the true reward."""


@flow(name=KEY, flow_run_name=KEY + "-{config.scale}")
def daa_scaling_laws(config: DAAScalingLawsConfig = DAAScalingLawsConfig()) -> Report:
    """Scaling Laws for Reward Model Overoptimization in Direct Alignment Algorithms (arXiv 2406.02900).

    Every run of a model gets the same SFT model, pairs, order, optimiser and steps; the objective and its beta, which
    sets the KL budget, differ. Further sizes have a base and an SFT model of their own and the same data. Win rates are
    against the demonstrators' answers, by the true reward in place of GPT-4.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "studies", "scale": config.scale, "scenario": scenario}
    with paper_run(KEY, config, tags, f"{KEY}-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_seed(config, shared)]
        collected, laws = with_laws(config, collect(KEY, pending))
        extras = Extras(
            figures=scaling_law_figures(laws) if len(laws.points) else [],
            tables={f"scaling_laws_{name}.json": table for name, table in laws._asdict().items() if len(table)},
        )
        suites = [*suites_of(config, collected.scores), *config.benchmarks.suites]
        return publish(session, collected, claims_of(config), suites, extras)


def compare_seed(config: DAAScalingLawsConfig, shared: Matched) -> list[Pending]:
    """Train and measure every run of one seed, at every size."""
    pending = compare_runs(config, shared, None)
    for size in config.sizes_trained():
        settings = config.model_copy(update={"model": size.model})
        pending += compare_runs(settings, with_reference(settings, share_at_size(config, shared, size)), size)
    return pending + (compare_on_tree(config, shared.seed) if "tree" in config.arms else [])


def compare_runs(config: DAAScalingLawsConfig, shared: Matched, size: ModelSize | None) -> list[Pending]:
    """One model: its SFT policy, and every objective at every KL budget."""
    seed, settings, start = shared.seed, config.evaluation, sized("sft", size)
    with arm(start, seed):
        begun = measure_checkpoint.submit(
            shared.sft, shared.sft, shared.evaluation, settings.decoding, config.model, seed
        )
    with arm("demonstrations", seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    runs = [run for loss in LOSSES for run in config.runs(loss, size)]
    return [
        Pending(start, seed, suite_of(size), begun, shared.sft),
        Pending("demonstrations", seed, suite_of(size), demonstrated),
        *benchmark(config, shared, start, shared.sft),
        *(scores for run in runs for scores in train_and_measure(config, shared, run)),
    ]


def train_and_measure(config: DAAScalingLawsConfig, shared: Matched, run: Run) -> list[Pending]:
    """One run: every checkpoint on the evaluation prompts and on held-out pairs."""
    seed = shared.seed
    with arm(run.name, seed):
        series = optimise_preferences.submit(
            shared.sft,
            shared.pairs,
            shared.reference,
            config.objective(run.loss, run.beta),
            config.training,
            config.model,
            seed,
        )
        frontier = measure_series.submit(
            series, shared.sft, shared.evaluation, config.evaluation.decoding, config.model, seed
        )
        ranked = measure_pairs.submit(series, shared.held_out, shared.held_out_reference, run.beta, config.model)
    return [
        Pending(run.name, seed, suite_of(run.size), frontier, series),
        Pending(run.name, seed, PAIRS, ranked),
        *benchmark(config, shared, run.name, series),
    ]


def compare_on_tree(config: DAAScalingLawsConfig, seed: int) -> list[Pending]:
    """The three objectives on the same problems of the tree MDP."""
    pending = []
    for loss in PLAIN:
        with arm(f"tree-{loss}", seed):
            scores = train_on_tree.submit(config.tree, config.objective(loss, config.tree_beta), seed)
        pending.append(Pending(f"tree-{loss}", seed, TREE, scores))
    return pending


def with_laws(config: DAAScalingLawsConfig, collected: Collected) -> tuple[Collected, ScalingLaws]:
    """Fit the laws, and add what is of whole runs to the scores."""
    golden = [suite_of(size) for size in (None, *config.sizes_trained())]
    won = collected.scores
    for suite in golden:
        won = with_win_rates(won, suite, ("demonstrations",))
    curves = curves_of(config)
    laws = fit_scaling_laws(won, curves, [metric for metric in FITTED if metric in set(won["metric"])])
    arms = {run.name: suite_of(run.size) for run in runs_of(config)}
    derived = [
        *whole_run_scores(KEY, FITS, "fit_error_ratio", error_ratios(won, curves, WINS)),
        *length_regressions(won, KEY, LENGTH, arms),
    ]
    together = won[won["suite"].isin(golden)].drop_duplicates(["arm", "seed", "prompt_id", "metric"])
    sizes = [together.assign(suite=SIZES)] if config.sizes_trained() else []
    return replace(collected, scores=concat_scores([collected.scores, *derived, *sizes])), laws


def curves_of(config: DAAScalingLawsConfig) -> list[Curve]:
    """A law an objective and size, and one over the three objectives together."""
    found = []
    for size in (None, *config.sizes_trained()):
        sweeps = {loss: config.runs(loss, size) for loss in LOSSES}
        sweeps_of = {sized(loss, size): runs for loss, runs in sweeps.items() if runs}
        together = [run for loss in PLAIN for run in sweeps[loss]]
        for name, runs in {**sweeps_of, sized("all", size): together}.items():
            points = points_of_all(runs, config.training.snapshots)
            found.append(Curve(name, suite_of(size), points, sized("sft", size)))
    return found


def runs_of(config: DAAScalingLawsConfig) -> list[Run]:
    """Every run of one seed."""
    return [run for size in (None, *config.sizes_trained()) for loss in LOSSES for run in config.runs(loss, size)]


def suite_of(size: ModelSize | None) -> str:
    """The suite of a model's own prompts; sizes stand apart, since each counts from its own SFT model."""
    return f"{GOLD}_{size.name}" if size else GOLD


def suites_of(config: DAAScalingLawsConfig, scores: pd.DataFrame) -> list[str]:
    """The suites that the report shows, of those that have scores."""
    known: Sequence[str] = [suite_of(size) for size in (None, *config.sizes_trained())]
    present: Iterable[str] = set(scores["suite"])
    return [suite for suite in [*known, PAIRS, FITS, LENGTH, TREE] if suite in present]


PAPER = Paper(
    key=KEY,
    title="Scaling Laws for Reward Model Overoptimization in Direct Alignment Algorithms",
    arxiv="2406.02900",
    family="studies",
    summary=(
        "DPO and its kin have no reward model to exploit and over-optimise all the same: quality against KL is a hump "
        "that often peaks within one epoch, and the law that Gao et al. fitted for RLHF fits it too. Finite pairs "
        "leave the probability of everything outside them undetermined."
    ),
    flow="flows.studies.daa_scaling_laws:daa_scaling_laws",
    config=DAAScalingLawsConfig,
    arms=ARMS,
    claims=claims_of(DAAScalingLawsConfig(sizes=[ModelSize()])),
    minutes={"smoke": 1.0, "laptop": 20.0, "gpu": 2400.0},
)
