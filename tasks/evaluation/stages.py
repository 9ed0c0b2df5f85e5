"""Evaluation as Prefect tasks."""

from tasks.engine.refs import (
    Answers,
    Checkpoint,
    CheckpointSeries,
    DatasetRef,
    LogProbs,
    RewardRef,
    Rewards,
    Samples,
    Scores,
)
from tasks.engine.stage import ALL_CORES, stage
from tasks.evaluation.best_of_n_settings import BestOfNSweep, Selector
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.subjects.outputs import OutputsFile
from tasks.evaluation.suites.suite import Suite
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.reward.sources import CodeTestsReward, RewardSource


@stage()
def measure_checkpoint(
    policy: Checkpoint,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Gold reward, KL to the reference, length and diversity of one policy."""
    from tasks.evaluation import measuring

    return measuring.measure_checkpoint(policy, reference, prompts, decoding, model, seed)


@stage()
def measure_series(
    series: CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """The same of every checkpoint of a training run: the points of its reward-KL frontier."""
    from tasks.evaluation import measuring

    return measuring.measure_series(series, reference, prompts, decoding, model, seed)


@stage()
def measure_rewarded_series(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    source: RewardSource,
    fitted: list[RewardRef],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Every checkpoint of a run, and its start, by gold reward, KL and the learned reward that it was trained on."""
    from tasks.evaluation import rewarded

    return rewarded.measure_rewarded_series(policy, reference, prompts, decoding, source, fitted, model, seed)


@stage()
def measure_temperatures(
    policy: Checkpoint | CheckpointSeries,
    reference: Checkpoint,
    prompts: DatasetRef,
    decoding: Decoding,
    temperatures: list[float],
    model: ModelConfig,
    seed: int,
) -> Scores:
    """The same of one policy at several temperatures (of a series, the last checkpoint)."""
    from tasks.evaluation import measuring

    return measuring.measure_temperatures(policy, reference, prompts, decoding, temperatures, model, seed)


@stage()
def measure_samples(samples: Samples) -> Scores:
    """Gold reward, length and diversity of responses sampled before."""
    from tasks.evaluation import measuring

    return measuring.measure_samples(samples)


@stage()
def measure_demonstrations(demonstrations: DatasetRef) -> Scores:
    """Gold reward of the demonstrators' own answers."""
    from tasks.evaluation import measuring

    return measuring.measure_demonstrations(demonstrations)


@stage()
def measure_pairs(
    series: CheckpointSeries, held_out: DatasetRef, reference: LogProbs, beta: float, model: ModelConfig
) -> Scores:
    """Accuracy and margin of the implicit reward on held-out pairs."""
    from tasks.evaluation import measuring

    return measuring.measure_pairs(series, held_out, reference, beta, model)


@stage()
def choose_by_implicit_reward(samples: Samples, series: CheckpointSeries, model: ModelConfig) -> Samples:
    """Best-of-n: of each prompt's samples, the one with the largest log-ratio of policy to reference."""
    from tasks.evaluation import best_of_n

    return best_of_n.choose_by_implicit_reward(samples, series, model)


@stage()
def choose_best_by_reward(
    samples: Samples, source: RewardSource, fitted: list[RewardRef], model: ModelConfig
) -> Samples:
    """Best-of-n: of each prompt's samples, the one with the largest reward."""
    from tasks.evaluation import best_of_n

    return best_of_n.choose_best_by_reward(samples, source, fitted, model)


@stage()
def sweep_best_of_n(samples: Samples, rewards: list[Rewards], selector: Selector, sweep: BestOfNSweep) -> Scores:
    """Gold reward, proxy reward and disagreement of the best of n samples, for every n: points ``n1``, ``n2`` ..."""
    from tasks.evaluation import best_of_n_sweep

    return best_of_n_sweep.sweep_best_of_n(samples, rewards, selector, sweep)


@stage(cores=ALL_CORES)
def answer_with_policy(
    suite: Suite,
    content: str,
    policy: Checkpoint | CheckpointSeries,
    references: list[Checkpoint],
    decoding: Decoding,
    model: ModelConfig,
    seed: int,
) -> Answers:
    """A suite's questions, whose files have the digest ``content``, put to a checkpoint (of a series, the last)."""
    from tasks.evaluation import answering

    final = policy.final if isinstance(policy, CheckpointSeries) else policy
    return answering.answer_with_policy(suite, final, references, decoding, model, seed)


@stage()
def answer_by_endpoint(suite: Suite, content: str, endpoint: JudgeSettings, decoding: Decoding, seed: int) -> Answers:
    """A suite's questions put to a model that an endpoint serves."""
    from tasks.evaluation import answering

    return answering.answer_by_endpoint(suite, endpoint, decoding, seed)


@stage()
def answer_from_outputs(suite: Suite, content: str, outputs: OutputsFile) -> Answers:
    """A suite's questions answered by a file of outputs."""
    from tasks.evaluation import answering

    return answering.answer_from_outputs(suite, outputs)


@stage()
def score_answers(
    suite: Suite, content: str, answers: Answers, judge: JudgeSettings, judge_content: str, recorded: list[OutputsFile]
) -> Scores:
    """What a suite makes of the answers, with a judge where it needs one."""
    from tasks.evaluation import scoring

    return scoring.score_answers(suite, answers, judge, recorded)


@stage(cores=ALL_CORES)
def run_answers(suite: Suite, content: str, answers: Answers, judge: JudgeSettings) -> Scores:
    """The same for a suite that runs the answers as programs: with every core, so that none has to wait for one."""
    from tasks.evaluation import scoring

    return scoring.score_answers(suite, answers, judge, [])


@stage(cores=ALL_CORES)
def measure_passing(
    policy: Checkpoint | CheckpointSeries,
    prompts: DatasetRef,
    decoding: Decoding,
    source: CodeTestsReward,
    model: ModelConfig,
    seed: int,
) -> Scores:
    """Share of prompts whose program passes its tests in the sandbox, greedy and at temperature 1."""
    from tasks.evaluation import passing

    return passing.measure_passing(policy, prompts, decoding, source, model, seed)
