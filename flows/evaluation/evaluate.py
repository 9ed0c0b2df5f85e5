"""``evaluate``: any model through any suites; the flow behind ``rlhf evaluate``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field

from flows.evaluation.report import EvaluationReport, Finished, publish_evaluation
from flows.evaluation.scoring import submit_scoring
from tasks.data.identity import identify_model
from tasks.engine.refs import Answers, Checkpoint, Scores
from tasks.engine.schema import Frozen
from tasks.engine.session import arm, paper_run
from tasks.evaluation.collecting import reason
from tasks.evaluation.judges.choosing import judge_for
from tasks.evaluation.judges.opening import check_judge
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.stages import (
    answer_by_endpoint,
    answer_from_outputs,
    answer_with_policy,
)
from tasks.evaluation.subjects.outputs import OutputsFile, is_annotated, read_outputs
from tasks.evaluation.subjects.reading import identify_outputs, identify_suite
from tasks.evaluation.subjects.subject import Kind, Subject, endpoint_of, kind_of
from tasks.evaluation.subjects.tracked import checkpoint_of_run
from tasks.evaluation.suites.catalog import SuiteName, Suites, chosen_suites
from tasks.evaluation.suites.suite import Suite
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding
from tasks.policy.stages import import_model

EXPERIMENT = "evaluate"


class EvaluateConfig(Frozen):
    """Everything that an evaluation depends on."""

    subject: Subject = Field(Subject(), description="The model to evaluate")
    suites: list[SuiteName] = Field(["tiny_gold"], min_length=1, description="What to put it through")
    data: str = Field(
        "", max_length=4000, description="Folder with the suites' files; empty: each from the Hub by its public name"
    )
    limit: int = Field(0, ge=0, le=10_000_000, description="Only the first questions of every suite; 0: all")
    judge: JudgeSettings = Field(JudgeSettings(), description="Who compares and grades")
    decoding: Decoding = Field(
        Decoding(temperature=0.0, max_new_tokens=1024),
        description="How responses are drawn where a suite's protocol does not say",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of everything that is drawn")
    model: ModelConfig = Field(ModelConfig(), description="How the subject's weights are held in memory")
    endpoint: JudgeSettings = Field(
        JudgeSettings(kind="endpoint"),
        description="How the subject is reached where its source is a URL (which is then the base_url); model is the "
        "name that is served",
    )
    settings: Suites = Field(Suites(), description="What is particular to each suite")


@dataclass(frozen=True)
class Resolved:
    """The subject, ready to be asked."""

    kind: Kind
    policy: Any = None
    """A checkpoint, at hand or pending, where it is a model."""
    references: Sequence[Checkpoint] = ()
    outputs: Sequence[OutputsFile] = ()
    annotated: bool = False
    """Whether the file of outputs holds verdicts."""


@flow(name="evaluate", flow_run_name="evaluate")
def evaluate(config: EvaluateConfig = EvaluateConfig()) -> EvaluationReport:
    """Put one model through benchmarks: questions → answers → verdicts → numbers with their identity."""
    suites = chosen_suites(config.settings, config.suites, config.data, config.limit)
    kind = kind_of(config.subject)
    tags = {"family": "evaluation", "subject": config.subject.source, "subject_kind": kind}
    with paper_run(EXPERIMENT, config, tags, f"{short_name(config.subject.source)}") as session:
        contents = [identify_suite(suite) for suite in suites]
        subject = resolve(config, kind)
        judges = [judge_for(config.judge, suite, subject.annotated) for suite in suites]
        check_judges(judges)
        pending = [
            evaluate_suite(config, subject, *one) for one in zip(suites, contents, judges, strict=True)
        ]  # fmt: skip
        decoding = "as given" if kind == "outputs" else described(config.decoding)
        finished, failures = wait_for(suites, contents, pending)
        return publish_evaluation(
            session,
            config.subject.source,
            finished,
            failures,
            decoding,
            config.seed,
            "".join(reference.digest[:16] for reference in subject.references),
        )


def check_judges(judges: Sequence[JudgeSettings]) -> None:
    """Raises UserError before anything is computed if a judge lacks its model or key, or does not answer."""
    for judge in {one.model_dump_json(): one for one in judges if one.kind != "recorded"}.values():
        check_judge(judge)


def resolve(config: EvaluateConfig, kind: Kind) -> Resolved:
    """Find the weights or the file. Raises UserError before anything is computed if there is none."""
    subject = config.subject
    if kind == "outputs":
        outputs = identify_outputs(subject)
        return Resolved(kind, outputs=[outputs], annotated=is_annotated(read_outputs(outputs)))
    if kind == "endpoint":
        endpoint_of(subject, config.endpoint)
        return Resolved(kind)
    references = [imported(config.model, subject.reference)] if subject.reference else []
    policy = checkpoint_of_run(subject.source) if kind == "run" else imported(config.model, subject.source)
    return Resolved(kind, policy, references)


def imported(model: ModelConfig, path: str) -> Checkpoint:
    """A folder or Hub model as a checkpoint of the store."""
    return import_model(model.model_copy(update={"path": path}), identify_model(path))


def evaluate_suite(
    config: EvaluateConfig, subject: Resolved, suite: Suite, content: str, judge: JudgeSettings
) -> PrefectFuture[Scores]:
    """Ask, then score."""
    with arm(suite.name, config.seed):
        answers = answer(config, subject, suite, content)
        return submit_scoring(suite, content, answers, judge, subject.outputs)


def answer(config: EvaluateConfig, subject: Resolved, suite: Suite, content: str) -> PrefectFuture[Answers]:
    """The subject's answers to a suite."""
    if subject.outputs:
        return answer_from_outputs.submit(suite, content, subject.outputs[0])
    if subject.kind == "endpoint":
        endpoint = endpoint_of(config.subject, config.endpoint)
        return answer_by_endpoint.submit(suite, content, endpoint, config.decoding, config.seed)
    references = list(subject.references)
    return answer_with_policy.submit(
        suite, content, subject.policy, references, config.decoding, config.model, config.seed
    )


def wait_for(
    suites: Sequence[Suite], contents: Sequence[str], pending: Sequence[PrefectFuture[Scores]]
) -> tuple[list[Finished], dict[str, str]]:
    """What each suite found, and why those that failed did."""
    finished: list[Finished] = []
    failures: dict[str, str] = {}
    for suite, content, future in zip(suites, contents, pending, strict=True):
        future.wait()
        if future.state.is_completed():
            finished.append(Finished(suite, content, future.result()))
        else:
            failures[suite.name] = reason(future)
    return finished, failures


def described(decoding: Decoding) -> str:
    """How responses are drawn, in words."""
    return f"temperature {decoding.temperature:g}, top-p {decoding.top_p:g}, at most {decoding.max_new_tokens} tokens"


def short_name(source: str) -> str:
    """The last part of a path or id."""
    return source.rstrip("/").rsplit("/", maxsplit=1)[-1] or "evaluate"
