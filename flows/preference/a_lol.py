"""A-LoL (arXiv 2305.14718): flow.

Left out: PRO and reference-free DPO as arms, and the tasks with several classifiers as rewards.
"""

from dataclasses import dataclass, replace
from typing import Any

from prefect import flow

from flows.matched import Rows, Shared, benchmark, policy_prompts, share_inputs
from flows.paper import Paper
from flows.preference.a_lol_claims import ARMS, NOISY, claims_on
from flows.preference.a_lol_config import DRAWN, ALoLConfig
from flows.preference.dpo_ppo import as_reinforcement
from flows.reinforcement.matched import GOLD, PolicyArm, Reward, Series, fit_members, train_policy
from flows.report import Report, publish
from tasks.data.corpus_stages import take_side, take_validation, write_corpus
from tasks.data.stages import draw_held_out_prompts
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.opinion_settings import Opinion
from tasks.evaluation.opinion_stages import measure_opinions
from tasks.evaluation.stages import measure_demonstrations
from tasks.models.stages import sample_responses, score_pairs
from tasks.policy.handover_stages import final_checkpoint
from tasks.policy.leftover_stages import (
    choose_on_validation,
    estimate_advantages,
    fit_value,
    optimise_leftover,
    pair_by_reward,
)
from tasks.policy.stages import finetune_supervised, optimise_preferences


@dataclass(frozen=True)
class Corpus:
    """References that all arms on one corpus at one seed are given."""

    suffix: str
    """Ends the names of its arms."""
    shared: Shared
    """The run's inputs, with pi_ref in the place of the SFT model."""
    rewarded: Rows
    """Responses with rewards, values of pi_ref and advantages."""
    validation: Rows
    fitted: list[Reward]
    """The reward model, or nothing where the true reward is known."""

    @property
    def seed(self) -> int:
        """The seed of every stage."""
        return self.shared.seed


@flow(name="a_lol", flow_run_name="a_lol-{config.scale}")
def a_lol(config: ALoLConfig = ALoLConfig()) -> Report:
    """Improving Language Models with Advantage-based Offline Policy Gradients (arXiv 2305.14718).

    Every arm on single responses gets the same pi_ref, corpus, rewards, values, step size and budget of steps; what a
    response counts by differs, and with it how often it is drawn. A-LoL takes as many fewer steps as the share of
    responses that it drops. DPO and PPO have rates and steps of their own. The value is read with dropout off, unlike
    in the published code.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("a_lol", config, tags, f"a_lol-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("a_lol", pending), claims_of(config), [GOLD, *config.benchmarks.suites])


def compare_arms(config: ALoLConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed, on the clean corpus and then on the noisy one."""
    fitted = fit_members(as_reinforcement(config, config.ppo), shared) if config.fits_a_reward else []
    validation = validation_prompts(config, shared)
    clean = prepare(config, shared, validation, fitted, "")
    trained = [(name, clean, series) for name, series in train_clean(config, clean).items()]
    if config.noisy_arms:
        noisy = prepare(config, shared, validation, fitted, NOISY)
        trained += [(name + NOISY, noisy, train_offline(config, noisy, name)) for name in config.noisy_arms]
    with arm("demonstrations", shared.seed):
        demonstrated = measure_demonstrations.submit(shared.evaluation)
    return [
        Pending("demonstrations", shared.seed, GOLD, demonstrated),
        *measure(config, clean, "sft", clean.shared.sft),
        *(
            score
            for name, corpus, series in trained
            for score in measure(config, corpus, name, choose(config, corpus, name, series))
        ),
    ]


def validation_prompts(config: ALoLConfig, shared: Shared) -> Rows:
    """Prompts that the value is fitted on and checkpoints are chosen by; no arm is evaluated on them."""
    with arm("sft", shared.seed):
        if config.data.path:
            return take_validation.submit(shared.held_out, shared.evaluation)
        return draw_held_out_prompts.submit(config.world)


def prepare(config: ALoLConfig, shared: Shared, validation: Rows, fitted: list[Reward], suffix: str) -> Corpus:
    """Corpus → pi_ref → its greedy responses → value → advantages."""
    seed, model = shared.seed, config.model
    greedy = config.evaluation.decoding.model_copy(update={"temperature": 0.0})
    with arm(f"sft{suffix}", seed):
        responses = corpus_of(config, shared, suffix)
        reference = finetune_supervised.submit(shared.sft, responses, config.reference, model, seed)
        samples = sample_responses.submit(reference, validation, greedy, 1, model, seed)
        value = fit_value.submit(reference, samples, config.reward, fitted, config.value, model, seed)
        rewarded = estimate_advantages.submit(reference, value, responses, config.reward, fitted, model)
    return Corpus(suffix, replace(shared, sft=reference), rewarded, validation, fitted)


def corpus_of(config: ALoLConfig, shared: Shared, suffix: str) -> Rows:
    """Single responses: of mixed quality in the tiny world; of real pairs the chosen ones, for noise the rejected."""
    if config.data.path:
        return take_side.submit(shared.pairs, "rejected" if suffix else "chosen")
    mixture = config.noisy if suffix else config.clean
    return write_corpus.submit(policy_prompts(config, shared), mixture, config.responses_a_prompt, shared.seed)


def train_clean(config: ALoLConfig, corpus: Corpus) -> dict[str, Series]:
    """The arms that were asked for, on the clean corpus."""
    trained: dict[str, Series] = {
        name: train_offline(config, corpus, name) for name in config.objectives if name in config.arms
    }
    if "dpo" in config.arms:
        trained["dpo"] = train_dpo(config, corpus)
    if "ppo" in config.arms:
        settings = as_reinforcement(config, config.ppo)
        online = PolicyArm(settings.method, corpus.fitted, config.online_reward)
        trained["ppo"] = train_policy(settings, corpus.shared, policy_prompts(config, corpus.shared), "ppo", online)
    return trained


def train_offline(config: ALoLConfig, corpus: Corpus, name: str) -> Series:
    """One arm on single responses of ``corpus``."""
    with arm(name + corpus.suffix, corpus.seed, mode="offline"):
        return optimise_leftover.submit(
            corpus.shared.sft,
            corpus.rewarded,
            config.objectives[name],
            DRAWN.get(name, "priority"),
            config.training,
            config.model,
            corpus.seed,
        )


def train_dpo(config: ALoLConfig, corpus: Corpus) -> Series:
    """DPO, which sees the worse responses as well."""
    shared = corpus.shared
    with arm("dpo", corpus.seed, mode="offline"):
        pairs = shared.pairs if config.data.path else pair_by_reward.submit(corpus.rewarded)
        reference = score_pairs.submit(shared.sft, pairs, config.model)
        return optimise_preferences.submit(
            shared.sft, pairs, reference, config.dpo, config.preference, config.model, corpus.seed
        )


def choose(config: ALoLConfig, corpus: Corpus, name: str, series: Series) -> Any:
    """An arm's policy: one of its checkpoints."""
    with arm(name, corpus.seed):
        if config.choose == "last":
            return final_checkpoint.submit(series)
        return choose_on_validation.submit(
            series,
            corpus.validation,
            config.evaluation.decoding,
            config.reward,
            corpus.fitted,
            config.model,
            corpus.seed,
        )


def measure(config: ALoLConfig, corpus: Corpus, name: str, policy: Any) -> list[Pending]:
    """A policy by the reward that arms learn from, gold reward, KL to pi_ref, length and diversity."""
    shared, settings = corpus.shared, config.evaluation
    opinion = Opinion(metric="bounded_reward", reward=config.reward, members=len(corpus.fitted))
    with arm(name, corpus.seed):
        scores = measure_opinions.submit(
            policy,
            shared.sft,
            shared.evaluation,
            settings.decoding,
            settings.temperatures,
            [opinion],
            corpus.fitted,
            config.model,
            corpus.seed,
        )
    return [Pending(name, corpus.seed, GOLD, scores, policy), *benchmark(config, shared, name, policy)]


def claims_of(config: ALoLConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle; pairwise judgements need the tiny world's true reward."""
    arms = {*config.arms, "sft", *(name + NOISY for name in config.noisy_arms)}
    return claims_on(arms, len(config.seeds), greedy=0.0 in config.evaluation.temperatures, gold=not config.data.path)


PAPER = Paper(
    key="a_lol",
    title="Improving Language Models with Advantage-based Offline Policy Gradients",
    arxiv="2305.14718",
    family="preference",
    summary=(
        "A whole response is one action, so an offline policy gradient is likelihood weighted by the response's "
        "advantage over the starting policy's own value. Only responses of positive advantage are learned from, drawn "
        "by how large it is."
    ),
    flow="flows.preference.a_lol:a_lol",
    config=ALoLConfig,
    arms=ARMS,
    claims=claims_of(ALoLConfig(seeds=[0, 1, 2, 3, 4])),
    minutes={"smoke": 0.8, "laptop": 11.0, "gpu": 900.0},
)
