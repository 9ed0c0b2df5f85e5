"""Putting a suite's questions to whoever answers, and keeping the answers."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engine.refs import Answers, Checkpoint
from tasks.engine.store import Store
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.subjects.outputs import OutputsFile, answers_in
from tasks.evaluation.suites.suite import Answer, Question, Suite
from tasks.models.config import ModelConfig
from tasks.models.decoding import Decoding

ANSWERS = "answers.parquet"
SCHEMA = pa.schema(
    {
        "prompt_id": pa.string(),
        "responses": pa.list_(pa.string()),
        "scores": pa.list_(pa.float64()),
        "finished": pa.list_(pa.bool_()),
        "tokens": pa.list_(pa.int64()),
    }
)


def answer_with_policy(
    suite: Suite, policy: Checkpoint, references: list[Checkpoint], decoding: Decoding, model: ModelConfig, seed: int
) -> Answers:
    """Ask a checkpoint; of ``references`` (none or one) the rewards of candidates are taken against the first."""
    from tasks.evaluation.subjects.policy import Policy
    from tasks.models.opening import open_frozen

    opened, tokenizer = open_frozen(policy, model)
    anchor = open_frozen(references[0], model)[0] if references else None
    return store_answers(ask(suite, Policy(opened, tokenizer, decoding, seed, anchor).answer))


def answer_by_endpoint(suite: Suite, endpoint: JudgeSettings, decoding: Decoding, seed: int) -> Answers:
    """Ask a served model; what it has answered before is not asked again."""
    from tasks.evaluation.judges.cache import AnswerCache
    from tasks.evaluation.judges.endpoint import Endpoint
    from tasks.evaluation.subjects.served import Served

    model = Endpoint(endpoint, AnswerCache())
    model.check()
    return store_answers(ask(suite, Served(model, decoding, seed).answer))


def answer_from_outputs(suite: Suite, outputs: OutputsFile) -> Answers:
    """Look the answers up in a file."""
    return store_answers(ask(suite, lambda questions: answers_in(outputs, questions)))


def ask(suite: Suite, respond: Callable[[Sequence[Question]], Sequence[Answer]]) -> dict[str, Answer]:
    """Every answer by prompt id; asks again as long as the suite has questions that follow from the answers."""
    answers: dict[str, Answer] = {}
    tried: set[str] = set()
    while questions := [one for one in suite.questions(answers) if one.prompt_id not in tried]:
        tried |= {question.prompt_id for question in questions}
        answers |= {answer.prompt_id: answer for answer in respond(questions)}
    return answers


def store_answers(answers: dict[str, Answer]) -> Answers:
    """Store answers in the order they were given."""
    rows = [{name: value if name == "prompt_id" else list(value) for name, value in asdict(answer).items()}
            for answer in answers.values()]  # fmt: skip

    def fill(folder: Path) -> None:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / ANSWERS)

    return Store().write(Answers, fill, rows=len(rows))


def read_answers(ref: Answers) -> dict[str, Answer]:
    """The answers behind ``ref``, by prompt id."""
    rows = pq.read_table(Store().open(ref) / ANSWERS).to_pylist()
    return {row["prompt_id"]: Answer(**row) for row in rows}
