"""What the arms of a paper on learning from preferences share, so that only the method differs between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture
from pydantic import Field

from flows.evaluation.scoring import submit_scoring
from flows.paper import PaperConfig
from tasks.data.distinct_stages import take_each_prompt_once
from tasks.data.identity import identify_model, identify_source
from tasks.data.source import DataSource
from tasks.data.stages import (
    draw_demonstrations,
    draw_evaluation,
    draw_held_out_prompts,
    draw_pair_prompts,
    draw_policy_prompts,
    draw_validation,
    label_preferences,
    prepare_preferences,
)
from tasks.data.world import TinyWorld
from tasks.engine.refs import Checkpoint, DatasetRef
from tasks.engine.schema import UserError
from tasks.engine.session import arm
from tasks.evaluation.collecting import Pending
from tasks.evaluation.judges.choosing import judge_for
from tasks.evaluation.judges.opening import check_judge
from tasks.evaluation.settings import Evaluation
from tasks.evaluation.stages import answer_with_policy
from tasks.evaluation.subjects.reading import identify_suite
from tasks.models.config import ModelConfig
from tasks.models.stages import sample_responses
from tasks.policy.optimisation import ByteVocabulary, Pretraining, SupervisedTraining
from tasks.policy.stages import finetune_supervised, import_model, initialise_for, pretrain

BASE_SEED = 0
"""Every paper, arm and seed starts from one base model, as real policies start from one pretrained model."""
ROUNDS_APART = 1_000_000
Rows = PrefectFuture[DatasetRef] | DatasetRef


class MatchedConfig(PaperConfig):
    """The settings that every paper on learning from preferences has."""

    world: TinyWorld = Field(TinyWorld(), description="The scenario, where no real data is given")
    data: DataSource = Field(DataSource(), description="Real preference pairs; an empty path plays the tiny world")
    vocabulary: ByteVocabulary = Field(ByteVocabulary(), description="Tokenizer of a from-scratch model of real data")
    model: ModelConfig = Field(ModelConfig(), description="The policy's architecture or weights")
    pretraining: Pretraining = Field(Pretraining(), description="The tiny world's base model, shared by all papers")
    sft: SupervisedTraining = Field(SupervisedTraining(), description="SFT, where every arm starts")
    evaluation: Evaluation = Field(Evaluation(), description="What every arm is measured by")


@dataclass(frozen=True)
class Shared:
    """References, pending or at hand, that all arms of one seed are given."""

    seed: int
    sft: PrefectFuture[Checkpoint]
    pairs: Rows
    held_out: Rows
    evaluation: Rows
    demonstrations: Rows
    """SFT's prompts and responses."""


def seed_of_round(seed: int, number: int) -> int:
    """The seed of round ``number`` (from 0) of a run of several stages: a prompt that comes again is answered anew."""
    return seed + ROUNDS_APART * number


def share_inputs(config: MatchedConfig) -> list[Shared]:
    """Prepare, once a seed, what the arms share: from real data where a path is given, else from the tiny world.

    Raises UserError before any training if the data, the model or a benchmark's files cannot be read.
    """
    for suite in config.benchmarks.chosen():
        suite.files()
        check_judge(judge_for(config.benchmarks.judge, suite, annotated=False))
    prepare = share_real_data(config) if config.data.path else share_tiny_world(config)
    return [prepare(seed) for seed in config.seeds]


def share_tiny_world(config: MatchedConfig) -> Callable[[int], Shared]:
    """Demonstrations → SFT → two samples a prompt → labels by the gold reward."""
    if config.model.path:
        base = import_model.submit(config.model, identify_model(config.model.path))
    else:
        base = pretrain.submit(config.pretraining, config.model.scratch, BASE_SEED)
    draw = draw_evaluation if config.evaluation.prompts == "test" else draw_validation
    evaluation = draw.submit(config.world)

    def prepare(seed: int) -> Shared:
        with arm("sft", seed):
            demonstrations = draw_demonstrations.submit(config.world, seed)
            sft = finetune_supervised.submit(base, demonstrations, config.sft, config.model, seed)
        with arm("pairs", seed):
            pairs = sampled_pairs(config, sft, draw_pair_prompts.submit(config.world, seed), seed)
            held_out = sampled_pairs(config, sft, draw_held_out_prompts.submit(config.world), seed)
        return Shared(seed, sft, pairs, held_out, evaluation, demonstrations)

    return prepare


def share_real_data(config: MatchedConfig) -> Callable[[int], Shared]:
    """Real pairs → SFT on the chosen responses (where no SFT model of the data exists; DPO, section 4)."""
    if config.evaluation.prompts == "validation":
        raise UserError(
            "evaluation.prompts validation: real pairs are split into train and held-out prompts only; choose settings "
            "on a data.path of their own"
        )
    content = identify_source(config.data)
    if config.model.path:
        base = import_model(config.model, identify_model(config.model.path))
    else:
        base = initialise_for(config.data, content, config.vocabulary, config.model.scratch, BASE_SEED)
    data = prepare_preferences(config.data, content, base, config.world.evaluation_prompts)

    def prepare(seed: int) -> Shared:
        with arm("sft", seed):
            sft = finetune_supervised.submit(base, data.demonstrations, config.sft, config.model, seed)
        return Shared(seed, sft, data.pairs, data.held_out_pairs, data.evaluation, data.demonstrations)

    return prepare


def sampled_pairs(
    config: MatchedConfig, policy: PrefectFuture[Checkpoint], prompts: PrefectFuture[DatasetRef], seed: int
) -> PrefectFuture[Any]:
    """Two samples of ``policy`` a prompt at temperature 1, compared by the tiny world's reward."""
    decoding = config.evaluation.decoding.model_copy(update={"temperature": 1.0, "top_p": 1.0})
    samples = sample_responses.submit(policy, prompts, decoding, 2, config.model, seed)
    return label_preferences.submit(samples, config.world, seed)


def policy_prompts(config: MatchedConfig, shared: Shared) -> Rows:
    """Prompts to optimise the policy on, each with a reference response.

    In the tiny world they are new ones, neither demonstrated to SFT nor compared; of real data SFT's own, each once.
    """
    with arm("pairs", shared.seed):
        if config.data.path:
            return take_each_prompt_once.submit(shared.demonstrations)
        return draw_policy_prompts.submit(config.world, shared.seed)


def benchmark(
    config: MatchedConfig, shared: Shared, name: str, policy: PrefectFuture[Checkpoint] | PrefectFuture[Any]
) -> list[Pending]:
    """An arm's policy through the benchmarks that were asked for; rewards of pairs are log-ratios to the SFT model."""
    settings, seed = config.benchmarks, shared.seed
    pending = []
    for suite in settings.chosen():
        content = identify_suite(suite)
        judge = judge_for(settings.judge, suite, annotated=False)
        with arm(name, seed):
            answers = answer_with_policy.submit(
                suite, content, policy, [shared.sft], settings.decoding, config.model, seed
            )
            scores = submit_scoring(suite, content, answers, judge, [])
        pending.append(Pending(name, seed, suite.name, scores))
    return pending
