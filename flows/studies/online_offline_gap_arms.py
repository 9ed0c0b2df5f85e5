"""The arms of the online-offline gap, part by part: what each learns from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture

from flows.matched import Rows
from flows.preference.matched import Matched
from flows.preference.online import OnlineArm, Policy, Series, fit_rewards, replay, train_online
from flows.reinforcement.matched import MEMBERS_APART, Reward, points_of
from flows.studies.online_offline_gap_config import GapConfig, Sweep
from tasks.data.shift_stages import leave_out_ties
from tasks.data.stages import draw_pair_prompts, label_preferences
from tasks.engine.refs import PairStream
from tasks.engine.session import arm
from tasks.models.stages import sample_responses, score_pairs
from tasks.policy.fresh.labellers import Labeller, PairwiseLabels, RewardLabels
from tasks.policy.fresh.settings import Replayed
from tasks.policy.handover_stages import final_checkpoint, first_checkpoint
from tasks.policy.objectives.bo2 import Bo2
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.stages import optimise_preferences
from tasks.reward.pooling_stages import pool_samples
from tasks.reward.sources import FittedReward, GoldReward
from tasks.reward.stages import fit_pairwise

GOLDEN = "golden_baseline"
"""Online with the golden preference: more is known to it than to the others; all are measured against it."""
RECORDED, UNIFORM = Replayed(order="recorded"), Replayed(order="uniform")
QUALITY = "final_vs_final"
ORIGINS = ("sft_vs_early", "early_vs_final", QUALITY)
"""Whose responses each pair of E13's data sets compares; the fixed pairs are SFT against SFT."""


@dataclass(frozen=True)
class Proxy:
    """Who labels online pairs."""

    labeller: Labeller
    fitted: list[Reward]


@dataclass(frozen=True)
class Study:
    """What the arms of one seed have trained."""

    trained: Mapping[str, Series]
    stream: PrefectFuture[PairStream]
    """The pairs of the arm ``online``."""


def fit_proxy(config: GapConfig, shared: Matched, start: Policy | None = None) -> Proxy:
    """The proxy preference model, fitted on the fixed pairs; ``start`` is the model it grows from, by default SFT's."""
    if config.proxy == "gold":
        return Proxy(golden(), [])
    if config.proxy == "reward":
        return Proxy(RewardLabels(source=FittedReward()), fit_rewards(config, shared))
    with arm("proxy", shared.seed):
        judge = fit_pairwise.submit(
            start or shared.sft,
            shared.pairs,
            shared.held_out,
            config.judge.objective,
            config.judge.training,
            config.model,
            shared.seed * MEMBERS_APART,
        )
    return Proxy(PairwiseLabels(), [judge])


def golden() -> RewardLabels:
    """The golden preference: the order of the true rewards."""
    return RewardLabels(source=GoldReward())


def train_arms(config: GapConfig, shared: Matched, prompts: Rows, proxy: Proxy) -> Study:
    """Every arm of the parts asked for; online, golden and offline always, which the others are compared with."""
    parts = set(config.parts)
    online = train_online(config, shared, prompts, "online", online_arm(config, config.ipo, proxy))
    privileged = train_online(config, shared, prompts, GOLDEN, online_arm(config, config.ipo, Proxy(golden(), [])))
    trained = {"online": online.series, GOLDEN: privileged.series}
    trained |= train_offline(config, shared, "offline", shared.pairs, *sweeps_of("offline", config))
    trained |= replay_stream(config, shared, online.stream)
    if parts & {"E6", "E13"}:
        trained |= train_on_origins(config, shared, online.series)
    if "E11" in parts:
        trained |= train_non_contrastive(config, shared, prompts, proxy)
    return Study(trained, online.stream)


def online_arm(config: GapConfig, objective: Objective, proxy: Proxy) -> OnlineArm:
    """Fresh pairs at every step, two responses each."""
    return OnlineArm(objective, proxy.labeller, proxy.fitted, config.fresh, config.training)


def swept(name: str, config: GapConfig, sweep: Sweep) -> dict[str, tuple[IPO, PreferenceTraining]]:
    """Loss and budget of every setting of a sweep, by name: ``offline-lr-0.0001-tau-0.1-steps-100``."""
    return {
        f"{name}-lr-{rate:g}-tau-{tau:g}-steps-{steps}": (
            config.ipo.model_copy(update={"tau": tau}),
            config.training.model_copy(
                update={"learning_rate": rate, "max_steps": steps, "epochs": epochs_for(config, steps)}
            ),
        )
        for rate in sweep.learning_rates
        for tau in sweep.taus
        for steps in sweep.steps or [config.training.max_steps]
    }


def sweeps_of(name: str, config: GapConfig) -> tuple[Sweep, ...]:
    """What the arms called ``name`` are tuned over; offline ones have the paper's own sweep too where E2 is asked for.

    A stream is as long as it is: arms that go through one have no steps to choose.
    """
    if name == "shuffled":
        return (config.sweep.model_copy(update={"steps": []}),)
    return (config.sweep, config.full_sweep) if name == "offline" and "E2" in config.parts else (config.sweep,)


def epochs_for(config: GapConfig, steps: int) -> int:
    """Passes over the fixed pairs that hold as many steps, with room for pairs that were left out as identical."""
    return 1 + 2 * steps * config.training.batch_size // config.world.pairs


def train_offline(config: GapConfig, shared: Matched, name: str, pairs: Any, *sweeps: Sweep) -> dict[str, Series]:
    """Fixed pairs, every setting of the sweeps."""
    settings = {label: one for sweep in sweeps for label, one in swept(name, config, sweep).items()}
    return {
        label: train_fixed(config, shared, label, pairs, objective, training)
        for label, (objective, training) in settings.items()
    }


def train_fixed(
    config: GapConfig, shared: Matched, name: str, pairs: Any, objective: Objective, training: PreferenceTraining
) -> Series:
    """One run on fixed pairs."""
    with arm(name, shared.seed):
        reference = shared.reference if pairs is shared.pairs else score_pairs.submit(shared.sft, pairs, config.model)
        return optimise_preferences.submit(shared.sft, pairs, reference, objective, training, config.model, shared.seed)


def replay_stream(config: GapConfig, shared: Matched, stream: PrefectFuture[PairStream]) -> dict[str, Series]:
    """E3, E4 and E5: the online run's own pairs again."""
    parts, trained = set(config.parts), {}
    if parts & {"E3", "E5"}:
        trained["tandem"] = replay(config, shared, stream, "tandem", config.ipo, RECORDED, config.training)
    if "E4" in parts:
        for sweep in sweeps_of("shuffled", config):
            for label, (objective, training) in swept("shuffled", config, sweep).items():
                trained[label] = replay(config, shared, stream, label, objective, UNIFORM, training)
    if "E5" in parts:
        trained["shuffled"] = replay(config, shared, stream, "shuffled", config.ipo, UNIFORM, config.training)
        for size in config.blocks:
            blocks = Replayed(order="blocks", block_batches=size)
            trained[f"blocks-{size}"] = replay(
                config, shared, stream, f"blocks-{size}", config.ipo, blocks, config.training
            )
    return trained


def train_on_origins(config: GapConfig, shared: Matched, online: Series) -> dict[str, Series]:
    """E6 and E13: offline on golden-labelled pairs of the final online policy, and of two of the run's policies."""
    with arm("pairs", shared.seed):
        policies = {
            "sft": shared.sft,
            "early": first_checkpoint.submit(online),
            "final": final_checkpoint.submit(online),
        }
    origins = ORIGINS if "E13" in config.parts else (QUALITY,)
    trained: dict[str, Series] = {}
    for origin in origins:
        one, other = (policies[name] for name in origin.split("_vs_"))
        trained |= train_offline(config, shared, origin, draw_between(config, shared, one, other), config.sweep)
    return trained


def draw_between(config: GapConfig, shared: Matched, one: Policy, other: Policy) -> PrefectFuture[Any]:
    """Pairs of as many prompts as the fixed ones have: a response of each policy, compared by the golden preference."""
    decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
    with arm("pairs", shared.seed):
        prompts = draw_pair_prompts.submit(config.world, shared.seed)
        if one is other:
            samples = sample_responses.submit(one, prompts, decoding, 2, config.model, shared.seed)
        else:
            seeds = (shared.seed, shared.seed + MEMBERS_APART)  # of their own: alike policies would say the same
            samples = pool_samples.submit(
                *(
                    sample_responses.submit(policy, prompts, decoding, 1, config.model, seed)
                    for policy, seed in zip((one, other), seeds, strict=True)
                )
            )
        return leave_out_ties.submit(label_preferences.submit(samples, config.world, shared.seed))


def train_non_contrastive(config: GapConfig, shared: Matched, prompts: Rows, proxy: Proxy) -> dict[str, Series]:
    """E11: the likelihood of the preferred response, online, offline and on the shuffled online pairs."""
    objective, steps = Bo2(), config.training.max_steps
    passes = config.training.model_copy(update={"epochs": epochs_for(config, steps)})
    online = train_online(config, shared, prompts, "bo2_online", online_arm(config, objective, proxy))
    return {
        "bo2_online": online.series,
        "bo2_offline": train_fixed(config, shared, "bo2_offline", shared.pairs, objective, passes),
        "bo2_shuffled": replay(config, shared, online.stream, "bo2_shuffled", objective, UNIFORM, config.training),
    }


def finals(name: str, config: GapConfig) -> tuple[str, ...]:
    """The arms that differ in their setting alone, each once."""
    return tuple(dict.fromkeys(label for sweep in sweeps_of(name, config) for label in swept(name, config, sweep)))


def curves_of(name: str, config: GapConfig) -> tuple[tuple[str, ...], ...]:
    """The common start and every checkpoint, for every setting."""
    return tuple(("sft", *points_of(label, config.training.snapshots)[1:]) for label in finals(name, config))


def points_of_sweep(name: str, config: GapConfig) -> tuple[str, ...]:
    """The common start and every checkpoint of every setting: what the best of a method is chosen from."""
    return tuple(dict.fromkeys(point for curve in curves_of(name, config) for point in curve))
