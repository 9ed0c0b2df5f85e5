"""Iterative DPO whose pairs an explicit reward, the policy's own implicit reward or the true reward labels."""

from typing import Any

from prefect.futures import PrefectFuture

from flows.matched import Rows, Shared, benchmark, policy_prompts, seed_of_round
from flows.studies.implicit_rm_generalization_claims import GOLD, LABELS
from flows.studies.implicit_rm_generalization_settings import ITERATIVE, ImplicitRMConfig
from tasks.data.stages import take_portion
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, RewardRef
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.scores import FINAL
from tasks.evaluation.stages import measure_checkpoint, measure_demonstrations
from tasks.models.stages import sample_responses, score_pairs
from tasks.policy.handover_stages import final_checkpoint
from tasks.policy.objectives.dpo import DPO
from tasks.policy.stages import optimise_preferences
from tasks.reward.implicit_label_stages import label_by_log_ratio, measure_labels
from tasks.reward.series import RewardSeries
from tasks.reward.series_stages import final_reward
from tasks.reward.sources import FittedReward, GoldReward
from tasks.reward.stages import label_by_reward

Policy = PrefectFuture[Checkpoint]


def iterate(
    config: ImplicitRMConfig,
    shared: Shared,
    explicit: PrefectFuture[RewardSeries],
    implicit: PrefectFuture[CheckpointSeries],
) -> list[Pending]:
    """SFT, offline DPO, and every labeller's rounds from there, all on the same prompts."""
    asked = [name for name in (*ITERATIVE, "offline_dpo") if name in config.arms]
    if not asked:
        return []
    with arm("offline_dpo", shared.seed):
        start = final_checkpoint.submit(implicit)
    with arm("demonstrations", shared.seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    with arm("exrm", shared.seed):
        rewards = final_reward.submit(explicit)
    prompts = policy_prompts(config, shared)
    return [
        Pending("demonstrations", shared.seed, GOLD, demonstrated),
        measured(config, shared, "sft", shared.sft),
        measured(config, shared, "offline_dpo", start),
        *(
            scores
            for name in asked
            if name in ITERATIVE
            for scores in rounds_of(config, shared, name, start, prompts, rewards)
        ),
    ]


def rounds_of(
    config: ImplicitRMConfig,
    shared: Shared,
    name: str,
    start: Policy,
    prompts: Rows,
    explicit: PrefectFuture[RewardRef],
) -> list[Pending]:
    """One labeller: sample from the current policy, label best against worst, take a round of DPO from that policy."""
    settings, seed, pending = config.iterative, shared.seed, []
    policy, previous = start, shared.sft
    for number in range(1, settings.rounds + 1):
        with arm(name, seed, mode="online"):
            own = seed_of_round(seed, number)
            asked = take_portion.submit(prompts, (number - 1) * settings.prompts, settings.prompts)
            decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
            samples = sample_responses.submit(policy, asked, decoding, settings.answers, config.model, own)
            reference = shared.sft if settings.implicit_reference == "sft" else previous
            pairs = labelled(config, name, samples, policy, reference, explicit)
            agreement = measure_labels.submit(pairs, FINAL if number == settings.rounds else f"round{number}")
            anchors = score_pairs.submit(policy, pairs, config.model)
            series = optimise_preferences.submit(
                policy, pairs, anchors, DPO(beta=settings.beta), settings.training, config.model, own
            )
            policy, previous = final_checkpoint.submit(series), policy
        pending.append(Pending(name, seed, LABELS, agreement))
    return [*pending, measured(config, shared, name, policy), *benchmark(config, shared, name, policy)]


def labelled(
    config: ImplicitRMConfig,
    name: str,
    samples: PrefectFuture[Any],
    policy: Policy,
    reference: Policy,
    explicit: PrefectFuture[RewardRef],
) -> PrefectFuture[DatasetRef]:
    """Pairs of samples by an arm's labeller: nothing else differs between the iterative arms."""
    if name == "iterative_dporm":
        return label_by_log_ratio.submit(samples, policy, reference, config.model)
    if name == "iterative_gold":
        return label_by_reward.submit(samples, GoldReward(), [], config.model)
    return label_by_reward.submit(samples, FittedReward(), [explicit], config.model)


def measured(config: ImplicitRMConfig, shared: Shared, name: str, policy: Policy) -> Pending:
    """A policy on the evaluation prompts."""
    with arm(name, shared.seed):
        scores = measure_checkpoint.submit(
            policy, shared.sft, shared.evaluation, config.evaluation.decoding, config.model, shared.seed
        )
    return Pending(name, shared.seed, GOLD, scores, policy)
