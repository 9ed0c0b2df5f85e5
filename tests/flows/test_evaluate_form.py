"""An evaluation started in a browser: real answers to Arena-Hard, judged by a reward model of this machine."""

from pathlib import Path
from typing import Any

import pytest
import torch
from browsing import CHROMIUM, choose, finished, get, open_form, property_of, submit
from commands import Servers
from mlflow import MlflowClient
from transformers import LlamaConfig, LlamaForSequenceClassification

from tasks.data.byte_pair import train_tokenizer
from tasks.data.records import read_records

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on the path")


@pytest.fixture
def reward_model(tmp_path: Path, shared_data: Path) -> Path:
    """A small reward model with random weights: it judges by something, and always the same."""
    prompts = [row["prompt"] for row in read_records(shared_data / "arena_hard" / "question_v0.1.jsonl")[:50]]
    tokenizer = train_tokenizer(prompts, 500)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=2048, num_labels=1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForSequenceClassification(shape).save_pretrained(tmp_path / "reward")
    tokenizer.save_pretrained(tmp_path / "reward")
    return tmp_path / "reward"


def test_real_answers_are_evaluated_from_the_form(
    servers: Servers, page: Any, tmp_path: Path, shared_data: Path, reward_model: Path
) -> None:
    open_form(page, servers, "evaluate/benchmarks")
    answers = shared_data / "arena_hard" / "model_answer" / "gpt-4-0613.jsonl.gz"
    property_of(page, "Source").first.locator("textarea").fill(str(answers))
    choose(page, property_of(page, "Suites").first, "arena_hard", "tiny_gold")
    property_of(page, "Data").first.locator("textarea").fill(str(shared_data))
    property_of(page, "Limit").first.locator("input").fill("12")
    judge = property_of(page, "Judge").first
    choose(page, judge, "reward_model")
    judge.locator("textarea").first.fill(str(reward_model))
    page.screenshot(path=str(tmp_path / "form.png"), full_page=True)

    run = finished(servers, submit(page))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["parameters"]["config"]["suites"] == ["arena_hard"]
    client = MlflowClient(servers.mlflow)
    experiment = client.get_experiment_by_name("evaluate")
    (tracked,) = client.search_runs(
        [experiment.experiment_id], f"tags.`prefect.flow_run_id` = '{run['id']}' and tags.level = 'run'"
    )
    assert tracked.info.status == "FINISHED"
    assert 0.0 <= tracked.data.metrics["eval/arena_hard/win_rate"] <= 1.0
    artifacts = get(servers, "artifacts/latest/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert {"evaluation", "evaluation-summary"} <= {artifact["key"] for artifact in artifacts}
