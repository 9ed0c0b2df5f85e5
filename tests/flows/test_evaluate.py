"""``evaluate`` for real: a file of outputs, a checkpoint of an earlier run, faults; tracked, cached, comparable."""

import json
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.evaluation.comparing import compare_evaluations, read_evaluation
from flows.evaluation.configuring import evaluation_config
from flows.evaluation.evaluate import evaluate
from flows.evaluation.report import EvaluationReport
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.models.build import build_from_scratch
from tasks.models.config import ScratchModel
from tasks.models.loading import save_model

pytestmark = pytest.mark.usefixtures("prefect_server", "rlhf_home")

PROBLEMS = [(f"How much is {n} and {n}?", str(2 * n)) for n in range(8)]


@pytest.fixture
def gsm8k(tmp_path: Path) -> Path:
    """A data folder with a small test set in GSM8K's shape."""
    folder = tmp_path / "data" / "gsm8k"
    folder.mkdir(parents=True)
    rows = [{"question": question, "answer": f"Add them.\n#### {answer}"} for question, answer in PROBLEMS]
    for name in ("test.jsonl", "train.jsonl"):
        (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return folder.parent


def outputs(folder: Path, name: str, wrong: int) -> Path:
    """Answers to the problems, the first ``wrong`` of them wrong."""
    rows = [
        {"question": question, "output": f"So it is\n#### {answer if place >= wrong else '-1'}"}
        for place, (question, answer) in enumerate(PROBLEMS)
    ]
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def run(source: Path | str, suites: list[str], data: Path | str = "", *overrides: str) -> EvaluationReport:
    typed = {
        "MODEL": {"subject": {"source": str(source)}},
        "--suites": {"suites": suites},
        "--data": {"data": str(data)},
    }
    return evaluate(evaluation_config(typed, overrides))


def value(report: EvaluationReport, metric: str) -> float:
    return next(row["value"] for row in report.results if row["metric"] == metric and not row["group"])


def small_model(folder: Path) -> Path:
    tokenizer = build_tokenizer()
    shape = ScratchModel(hidden_size=16, layers=1, heads=2, intermediate_size=32, max_positions=256)
    save_model(build_from_scratch(shape, tokenizer, 0), tokenizer, folder)
    return folder


def test_outputs_are_scored_tracked_and_compared(gsm8k, tmp_path):
    first = run(outputs(tmp_path, "first", wrong=2), ["gsm8k"], gsm8k)
    assert first.failures == {}
    assert value(first, "exact_match") == 0.75
    identity = first.identities["gsm8k"]
    assert (identity["suite"], identity["decoding"], identity["judge"]) == ("gsm8k", "as given", "none")

    client = MlflowClient(tracking_uri())
    root = client.get_run(first.mlflow_run_id)
    assert root.data.metrics["eval/gsm8k/exact_match"] == 0.75
    names = {artifact.path for artifact in client.list_artifacts(first.mlflow_run_id)}
    assert {"summary.json", "summary.md", "scores.csv", "identities.json"} <= names
    below = client.search_runs([first.experiment_id], f"tags.mlflow.parentRunId = '{first.mlflow_run_id}'")
    (suite,) = below
    assert suite.data.tags["score_key"] == first.results[0]["score_key"]
    stages = client.search_runs([first.experiment_id], f"tags.mlflow.parentRunId = '{suite.info.run_id}'")
    scored = next(stage for stage in stages if stage.info.run_name == "score_answers")
    tables = {artifact.path for artifact in client.list_artifacts(scored.info.run_id)}
    assert {"samples.json", "scores.json", "aggregates.json"} <= tables

    second = run(outputs(tmp_path, "second", wrong=4), ["gsm8k"], gsm8k)
    rows = compare_evaluations(read_evaluation(first.mlflow_run_id), read_evaluation(second.mlflow_run_id))
    exact = next(row for row in rows if row.metric == "exact_match")
    assert (exact.first, exact.second, exact.difference, exact.n) == (0.75, 0.5, 0.25, 8)
    assert exact.low <= 0.25 <= exact.high


def test_numbers_of_other_questions_are_not_compared(gsm8k, tmp_path):
    answers = outputs(tmp_path, "answers", wrong=0)
    whole, part = run(answers, ["gsm8k"], gsm8k), run(answers, ["gsm8k"], gsm8k, "limit=4")
    with pytest.raises(UserError, match="scores of 'gsm8k' are not comparable: split"):
        compare_evaluations(read_evaluation(whole.mlflow_run_id), read_evaluation(part.mlflow_run_id))


def test_a_checkpoint_goes_through_suites_that_generate_and_that_score(gsm8k, tmp_path):
    texts = tmp_path / "data" / "texts.jsonl"
    texts.write_text("\n".join(json.dumps({"text": f"how much is {n}"}) for n in range(4)))
    model = small_model(tmp_path / "model")
    settings = ("perplexity.data=" + str(texts), "gsm8k.style=chat", "gsm8k.max_new_tokens=8")
    report = run(model, ["gsm8k", "perplexity"], gsm8k, *settings)
    assert report.failures == {}
    assert value(report, "exact_match") == 0.0
    assert value(report, "perplexity") > 1.0
    assert "temperature 0" in report.identities["gsm8k"]["decoding"]

    again = run(model, ["gsm8k", "perplexity"], gsm8k, *settings)
    assert again.results == report.results
    client = MlflowClient(tracking_uri())
    stages = client.search_runs([again.experiment_id], "tags.level = 'stage'", max_results=100)
    assert sorted(stage.info.run_name for stage in stages) == sorted(
        ["import_model", *(2 * ["answer_with_policy", "score_answers"])]
    )

    imported = next(stage for stage in stages if stage.info.run_name == "import_model")
    by_run = run(imported.info.run_id, ["gsm8k"], gsm8k, *settings[1:])
    assert [row for row in report.results if row["suite"] == "gsm8k"] == by_run.results


def test_a_suite_that_fails_leaves_the_others(gsm8k, tmp_path):
    (gsm8k / "prompts.jsonl").write_text(json.dumps({"prompt": "how?"}))
    answers = outputs(tmp_path, "answers", wrong=0)
    report = run(answers, ["gsm8k", "refusal"], gsm8k, f"refusal.data={gsm8k / 'prompts.jsonl'}")
    assert value(report, "exact_match") == 1.0
    assert list(report.failures) == ["refusal"]
    assert "none of its 8 rows answers a question" in report.failures["refusal"]


@pytest.mark.parametrize(
    ("source", "suites", "overrides", "message"),
    [
        ("answers", ["gsm8k"], ["data=gone"], "no file or folder gone"),
        ("answers", ["arena_hard"], [], "question"),
        ("gone.jsonl", ["gsm8k"], [], r"gone\.jsonl: no such file"),
        ("answers", ["mt_bench"], ["mt_bench.data=DATA"], "question"),
        ("0" * 32, ["gsm8k"], [], "no such run"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_computed(gsm8k, tmp_path, source, suites, overrides, message):
    answers = outputs(tmp_path, "answers", wrong=0)
    given = [override.replace("DATA", str(gsm8k)) for override in overrides]
    with pytest.raises(UserError, match=message):
        run(str(answers) if source == "answers" else source, suites, gsm8k, *given)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["gsm8k.stile=chat"], "did you mean settings.gsm8k.style"),
        (["gsm8k.style=haiku"], "few_shot, chain_of_thought, chat"),
        (["decoding.temperature=-1"], "decoding.temperature"),
        (['suites=["gsm9k"]'], "gsm8k"),
    ],
)
def test_a_setting_that_is_wrong_is_named(overrides, message):
    with pytest.raises(UserError, match=message):
        evaluation_config({}, overrides)


def test_everything_that_is_logged_is_registered(gsm8k, tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("\n".join(json.dumps({"text": f"how much is {n}"}) for n in range(4)))
    report = run(
        small_model(tmp_path / "model"), ["gsm8k", "perplexity"], gsm8k, f"perplexity.data={texts}",
        "gsm8k.style=chat", "gsm8k.max_new_tokens=8",
    )  # fmt: skip
    client = MlflowClient(tracking_uri())
    logged = {name for one in client.search_runs([report.experiment_id]) for name in one.data.metrics}
    assert {"eval/gsm8k/exact_match", "eval/perplexity", "cost/seconds"} <= logged
    assert [name for name in logged if find_metric(name) is None] == []
    scored = pd.read_csv(client.download_artifacts(report.mlflow_run_id, "scores.csv", str(tmp_path)))
    assert [name for name in scored["metric"].unique() if find_metric(name) is None] == []
