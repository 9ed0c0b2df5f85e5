"""Methods of a tournament that raise the likelihood of good responses: given ones, or the policy's own."""

from typing import Any

from flows.matched import policy_prompts
from flows.studies.tournament_entry import Entry, Policy, enough, source_of
from tasks.data.corpus_stages import take_side, take_validation
from tasks.data.stages import draw_held_out_prompts, samples_as_demonstrations, take_portion
from tasks.engine.session import arm
from tasks.evaluation.stages import choose_best_by_reward
from tasks.models.stages import sample_responses
from tasks.policy.advantage_leftover.settings import LeftoverTraining
from tasks.policy.leftover_stages import estimate_advantages, fit_value, optimise_leftover
from tasks.policy.optimisation import SupervisedTraining
from tasks.policy.stages import finetune_preferred, finetune_supervised
from tasks.policy.superhf_settings import SuperHFMethod, SuperHFTraining
from tasks.policy.superhf_stages import optimise_superhf
from tasks.reward.bounded import RangeReward, SigmoidReward


def train_likelihood(entry: Entry) -> Policy:
    """One of the four methods."""
    train = {
        "preferred_ft": finetune_on_preferred,
        "raft": finetune_on_best,
        "superhf": fit_best_in_groups,
        "a_lol": fit_leftovers,
    }[entry.method]
    with arm(entry.label, entry.shared.seed, mode="online" if entry.method == "superhf" else "offline"):
        return train(entry)


def budget_of(entry: Entry) -> SupervisedTraining:
    """The common steps and batch, with the rate of supervised fine-tuning."""
    common = enough(entry.config, entry.config.training)
    same = {name: getattr(common, name) for name in ("max_steps", "batch_size", "snapshots", "epochs")}
    own = entry.config.preferred_ft
    rate = entry.settings.get("learning_rate", own.learning_rate)
    return own.model_copy(update={**same, "learning_rate": rate})


def finetune_on_preferred(entry: Entry) -> Policy:
    """Likelihood of the preferred responses of the fixed pairs."""
    shared = entry.shared
    return finetune_preferred.submit(shared.sft, shared.pairs, budget_of(entry), entry.config.model, shared.seed)


def finetune_on_best(entry: Entry) -> Policy:
    """RAFT, one round: likelihood of the best of several responses of the SFT model."""
    config, shared = entry.config, entry.shared
    samples = sample_responses.submit(
        shared.sft,
        take_portion.submit(policy_prompts(config, shared), 0, prompts_of_a_run(entry)),
        config.fresh.decoding,
        config.round_responses,
        config.model,
        shared.seed,
    )
    best = choose_best_by_reward.submit(samples, source_of(config), list(entry.fitted), config.model)
    return finetune_supervised.submit(
        shared.sft, samples_as_demonstrations.submit(best), budget_of(entry), config.model, shared.seed
    )


def prompts_of_a_run(entry: Entry) -> int:
    """Prompts whose best response fills every batch once."""
    return entry.config.training.max_steps * entry.config.training.batch_size


def fit_best_in_groups(entry: Entry) -> Policy:
    """SuperHF: a group of prompts a step, the best of several responses of the policy as it is, and a KL prior."""
    config, shared = entry.config, entry.shared
    supervised = budget_of(entry)
    weight = entry.settings.get("kl_weight", config.objectives.superhf.kl_weight)
    method = SuperHFMethod(
        superbatch=config.round_responses,
        prompts_a_group=config.training.batch_size,
        objective=config.objectives.superhf.model_copy(update={"kl_weight": weight}),
    )
    training = SuperHFTraining(
        prompts=prompts_of_a_run(entry),
        minibatch=config.training.batch_size,
        learning_rate=supervised.learning_rate,
        warmup_steps=supervised.warmup_steps,
        schedule=supervised.schedule,
        decoding=config.fresh.decoding,
        snapshots=supervised.snapshots,
    )
    return optimise_superhf.submit(
        shared.sft, shared.sft, policy_prompts(config, shared), source_of(config), list(entry.fitted), method, training,
        config.model, shared.seed,
    )  # fmt: skip


def fit_leftovers(entry: Entry) -> Policy:
    """A-LoL on the preferred responses of the fixed pairs, weighted by their advantage over the SFT model's value.

    The value is fitted on the SFT model's greedy responses to prompts on which nothing is evaluated.
    """
    config, shared, model = entry.config, entry.shared, entry.config.model
    objective: Any = config.objectives.a_lol
    reward = RangeReward() if config.labels == "gold" else SigmoidReward()
    fitted = list(entry.fitted)
    prompts = (
        take_validation.submit(shared.held_out, shared.evaluation)
        if config.data.path
        else draw_held_out_prompts.submit(config.world)
    )
    greedy = config.evaluation.decoding.model_copy(update={"temperature": 0.0})
    samples = sample_responses.submit(shared.sft, prompts, greedy, 1, model, shared.seed)
    value = fit_value.submit(shared.sft, samples, reward, fitted, config.value, model, shared.seed)
    chosen = take_side.submit(shared.pairs, "chosen")
    rewarded = estimate_advantages.submit(shared.sft, value, chosen, reward, fitted, model)
    return optimise_leftover.submit(
        shared.sft, rewarded, objective, "priority", leftover_budget(entry), model, shared.seed
    )


def leftover_budget(entry: Entry) -> LeftoverTraining:
    """The common steps, all of them, on as many responses as a batch of pairs has."""
    supervised = budget_of(entry)
    same = {name: value for name, value in supervised if name in LeftoverTraining.model_fields}
    return LeftoverTraining(**same | {"batch_size": 2 * supervised.batch_size, "scale_steps": False})
