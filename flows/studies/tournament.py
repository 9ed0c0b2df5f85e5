"""Tournament: any set of methods in any scenario, within one budget, ranked by Bradley-Terry."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture

from dashboards.tournament_figures import ranking_figure, win_matrix_figure
from flows.matched import benchmark
from flows.paper import Paper
from flows.preference.dpo_ppo import sample_n
from flows.preference.matched import Matched, share_inputs
from flows.preference.online import fit_rewards
from flows.reinforcement.matched import GOLD, Reward
from flows.report import Extras, Report, publish
from flows.studies.tournament_config import TUNABLE, TournamentConfig
from flows.studies.tournament_entry import Entry, Policy, own_settings, source_of
from flows.studies.tournament_methods import METHODS, train_method
from flows.tuning import Candidate, Settings, Tuned, search, seed_of_trials, space_of, tuning_said, tuning_tables
from tasks.data.stages import draw_validation
from tasks.engine.refs import Scores
from tasks.engine.schema import UserError
from tasks.engine.session import arm, paper_run
from tasks.evaluation.collecting import Collected, Pending, collect
from tasks.evaluation.scores import concat_scores
from tasks.evaluation.stages import (
    choose_best_by_reward,
    measure_demonstrations,
    measure_rewarded_series,
    measure_samples,
)
from tasks.evaluation.tournament import SUITE, Duels, duel_table, duels_of, tournament_scores, win_matrix
from tasks.reward.sources import FittedReward, RewardSource

ANCHOR = "sft"
GOLD_REWARD, REFEREE = "gold_reward", "proxy_reward"
"""What duels are decided by: the true reward; of real data a reward model fitted on the held-out pairs."""


@flow(name="tournament", flow_run_name="tournament-{config.scale}")
def tournament(config: TournamentConfig = TournamentConfig()) -> Report:
    """Rank methods of learning from preferences against each other.

    Every method starts from the same SFT model, learns from the same pairs (or from responses that a reward model on
    these pairs judges), takes the same number of steps on as many responses, and answers the same prompts; each two
    methods' answers to a prompt are a duel. With ``tuning.trials`` each method first searches its settings on
    validation prompts. Raises UserError before any training if the scenario cannot be judged.
    """
    if config.data.path and "best_of_n" in config.methods:
        raise UserError(
            "methods best_of_n: chosen responses are measured by the true reward alone, which real data lacks"
        )
    scenario = config.data.path or config.world.family
    tags = {"family": "studies", "scale": config.scale, "scenario": scenario}
    with paper_run("tournament", config, tags, f"tournament-{config.scale}") as session:
        shared = share_inputs(config)
        rewards = [judges_of(config, one) for one in shared]
        tuned = tune(config)
        best = tuned.best if tuned else {}
        pending = [
            scores
            for one, (fitted, referee) in zip(shared, rewards, strict=True)
            for scores in meet(config, one, fitted, referee, best)
        ]
        collected, duels = with_duels(config, collect("tournament", pending))
        matrix, table = win_matrix(duels), duel_table(duels)
        extras = Extras(
            figures=[ranking_figure(collected.scores), win_matrix_figure(matrix, table)],
            tables={
                "win_matrix.json": matrix.reset_index(names="method"),
                "duels.json": table,
                **tuning_tables(tuned),
            },
            tuned=tuning_said(tuned),
        )
        return publish(session, collected, (), [SUITE, GOLD, *config.benchmarks.suites], extras)


def judges_of(config: TournamentConfig, shared: Matched) -> tuple[list[Reward], list[Reward]]:
    """The reward model that methods learn from, and the one that measures them: of real data the referee."""
    fitted = fit_rewards(config, shared) if config.labels == "reward_model" else []
    if not config.data.path:
        return fitted, fitted
    held_out = replace(shared, held_out=shared.pairs)
    return fitted, fit_rewards(config, held_out, pairs=shared.held_out)


def tune(config: TournamentConfig) -> Tuned | None:
    """The search of every method that has settings to search, on validation prompts and a seed of its own."""
    wanted = [method for method in config.methods if method in TUNABLE]
    if not config.tuning.trials or not wanted:
        return None
    (shared,) = share_inputs(config.model_copy(update={"seeds": [seed_of_trials(config.seeds)]}))
    fitted, _ = judges_of(config, shared)
    validation = replace(shared, evaluation=draw_validation.submit(config.world))
    candidates: dict[str, Candidate] = {method: candidate_of(config, validation, fitted, method) for method in wanted}
    return search(candidates, GOLD_REWARD, config.tuning)


def candidate_of(config: TournamentConfig, shared: Matched, fitted: list[Reward], method: str) -> Candidate:
    """How a method's trials are run; each is a run of its own below the tournament's."""
    own = own_settings(config, method)
    return Candidate(own, space_of(own, config.tuning), partial(run_trial, config, shared, fitted, method))


def run_trial(
    config: TournamentConfig, shared: Matched, fitted: list[Reward], method: str, settings: Settings, number: int
) -> PrefectFuture[Scores]:
    """Train and measure one trial."""
    label = f"{method}-trial-{number}"
    policy = train_method(Entry(config, shared, fitted, method, label, settings))
    return measure(config, shared, label, policy, source_of(config), fitted)


def meet(
    config: TournamentConfig,
    shared: Matched,
    fitted: list[Reward],
    referee: list[Reward],
    best: Mapping[str, Settings],
) -> list[Pending]:
    """Train and measure every method of one seed."""
    seed, source = shared.seed, FittedReward() if config.data.path else source_of(config)
    policies: dict[str, Policy] = {ANCHOR: shared.sft}
    for method in config.methods:
        if method != "best_of_n":
            policies[method] = train_method(Entry(config, shared, fitted, method, method, best.get(method, {})))
    pending = [
        Pending(name, seed, GOLD, measure(config, shared, name, policy, source, referee), policy)
        for name, policy in policies.items()
    ]
    pending += [scores for name, policy in policies.items() for scores in benchmark(config, shared, name, policy)]
    if "best_of_n" in config.methods:
        pending.append(Pending("best_of_n", seed, GOLD, choose_answers(config, shared, fitted)))
    with arm("demonstrations", seed):
        return [*pending, Pending("demonstrations", seed, GOLD, measure_demonstrations.submit(shared.evaluation))]


def measure(
    config: TournamentConfig, shared: Matched, name: str, policy: Policy, source: RewardSource, fitted: list[Reward]
) -> PrefectFuture[Scores]:
    """Every checkpoint of a method on the evaluation prompts."""
    decoding = config.evaluation.decoding
    with arm(name, shared.seed):
        return measure_rewarded_series.submit(
            policy, shared.sft, shared.evaluation, decoding, source, fitted, config.model, shared.seed
        )


def choose_answers(config: TournamentConfig, shared: Matched, fitted: list[Reward]) -> PrefectFuture[Scores]:
    """Best-of-n: no policy is trained for it."""
    with arm("best_of_n", shared.seed):
        chosen = choose_best_by_reward.submit(sample_n(config, shared), source_of(config), fitted, config.model)
        return measure_samples.submit(chosen)


def with_duels(config: TournamentConfig, collected: Collected) -> tuple[Collected, Duels]:
    """Scores with ratings and field win rates; a method that failed does not take part.

    Raises UserError if fewer than two methods have scores.
    """
    scores = collected.scores
    metric = REFEREE if config.data.path else GOLD_REWARD
    measured = set(scores.loc[(scores["suite"] == GOLD) & (scores["metric"] == metric), "arm"])
    duels = duels_of(scores, [name for name in (ANCHOR, *config.methods) if name in measured], GOLD, metric)
    return replace(collected, scores=concat_scores([scores, tournament_scores(scores, duels, ANCHOR)])), duels


PAPER = Paper(
    key="tournament",
    title="Tournament: any methods, any scenario, one budget, one ranking",
    arxiv="",
    family="studies",
    summary=(
        "Which method should one take? Every method gets the same SFT model, pairs, steps and prompts; each two meet "
        "on every prompt, and Bradley-Terry ratings with intervals over seeds and prompts rank them."
    ),
    flow="flows.studies.tournament:tournament",
    config=TournamentConfig,
    arms=METHODS,
    claims=(),
    minutes={"smoke": 1.0, "laptop": 20.0, "gpu": 2400.0},
)
