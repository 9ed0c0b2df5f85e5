"""What papers share that draw their pairs from the policy while it is trained: labeller, budget, rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture
from pydantic import Field

from flows.matched import Rows, Shared, seed_of_round
from flows.preference.matched import PreferenceConfig
from flows.reinforcement.matched import MEMBERS_APART, Reward, RewardFitting
from tasks.data.stages import take_portion
from tasks.engine.refs import Checkpoint, CheckpointSeries, FreshRun, PairStream
from tasks.engine.session import arm
from tasks.policy.fresh.labellers import Labeller, RewardLabels
from tasks.policy.fresh.settings import FreshPairs, Replayed
from tasks.policy.fresh_stages import optimise_on_fresh_pairs, optimise_on_stream, series_of, stream_of
from tasks.policy.handover_stages import final_checkpoint, join_series
from tasks.policy.objectives.objective import Objective
from tasks.policy.optimisation import PreferenceTraining
from tasks.reward.sources import GoldReward
from tasks.reward.stages import fit_reward

Series = PrefectFuture[CheckpointSeries]
Policy = PrefectFuture[Checkpoint]


class OnlineConfig(PreferenceConfig):
    """The settings of every paper with fresh pairs."""

    training: PreferenceTraining = Field(
        PreferenceTraining(max_steps=100), description="Budget of every preference arm, offline and online alike"
    )
    reward: RewardFitting = Field(RewardFitting(), description="The reward models that stand for the true reward")
    fresh: FreshPairs = Field(FreshPairs(), description="How online arms draw their pairs")


@dataclass(frozen=True)
class OnlineArm:
    """An arm whose pairs are drawn while it trains."""

    objective: Objective
    labeller: Labeller
    fitted: Sequence[Reward]
    fresh: FreshPairs
    training: PreferenceTraining


@dataclass(frozen=True)
class Trained:
    """What an online arm leaves, pending."""

    series: Series
    stream: PrefectFuture[PairStream]


def fit_rewards(config: OnlineConfig, shared: Shared, count: int = 1, pairs: Rows | None = None) -> list[Reward]:
    """``count`` reward models on ``pairs`` (by default the run's): the same that policy-gradient papers fit."""
    with arm("reward", shared.seed):
        return [
            fit_reward.submit(
                shared.sft,
                pairs if pairs is not None else shared.pairs,
                shared.held_out,
                config.reward.objective,
                config.reward.training,
                config.model,
                shared.seed * MEMBERS_APART + member,
            )
            for member in range(count)
        ]


def gold_labels(config: OnlineConfig) -> RewardLabels:
    """Labels drawn as those of the run's fixed pairs are: by the true reward, with its temperature and noise."""
    world = config.world
    source = GoldReward(label_by=world.label_by)
    return RewardLabels(source=source, temperature=world.label_temperature, decide="sampled", flip=world.label_noise)


def train_online(config: OnlineConfig, shared: Shared, prompts: Rows, name: str, one: OnlineArm) -> Trained:
    """One run from the SFT model, which is also the reference."""
    with arm(name, shared.seed, mode="online"):
        run = submit_fresh(config, shared, prompts, one, shared.sft, shared.seed)
        return Trained(series_of.submit(run), stream_of.submit(run))


def replay(
    config: OnlineConfig,
    shared: Shared,
    stream: PrefectFuture[PairStream],
    name: str,
    objective: Objective,
    replayed: Replayed,
    training: PreferenceTraining,
) -> Series:
    """Go through a recorded stream from the SFT model: pairs of an online run, of another policy than the learner."""
    with arm(name, shared.seed, mode="hybrid"):
        return optimise_on_stream.submit(shared.sft, stream, objective, replayed, training, config.model, shared.seed)


def train_in_rounds(
    config: OnlineConfig, shared: Shared, prompts: Rows, name: str, one: OnlineArm, rounds: int
) -> Trained:
    """``rounds`` runs, each from where the last one ended, with an optimiser, schedule, prompts and seed of its own.

    ``one.training`` is the budget of a round, all of whose pairs are drawn at its beginning; a moving reference is the
    policy as the round begins. Of the result the checkpoints are those after each round, the stream is the last one's.
    """
    training = one.training.model_copy(update={"snapshots": 1})
    fresh = one.fresh.model_copy(update={"refresh_every_steps": training.max_steps})
    round_arm = OnlineArm(one.objective, one.labeller, one.fitted, fresh, training)
    count = fresh.prompts_a_round(training.batch_size)
    series: list[Series] = []
    start: Any = shared.sft
    with arm(name, shared.seed, mode="online"):
        for number in range(rounds):
            portion = take_portion.submit(prompts, number * count, count)
            run = submit_fresh(config, shared, portion, round_arm, start, seed_of_round(shared.seed, number))
            series.append(series_of.submit(run))
            start = final_checkpoint.submit(series[-1])
        return Trained(join_series.submit(series), stream_of.submit(run))


def submit_fresh(
    config: OnlineConfig, shared: Shared, prompts: Any, one: OnlineArm, start: Any, seed: int
) -> PrefectFuture[FreshRun]:
    """The stage itself; ``start`` is where it goes on from, the SFT model stays the reference."""
    return optimise_on_fresh_pairs.submit(
        start,
        shared.sft,
        prompts,
        one.labeller,
        list(one.fitted),
        one.objective,
        one.fresh,
        one.training,
        config.model,
        seed,
    )
