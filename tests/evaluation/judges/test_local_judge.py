"""A causal language model of a folder as a judge."""

import math
from pathlib import Path

import pytest
import torch
from judging_templates import Checksum, comparisons
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.judge import ChatRequest
from tasks.evaluation.judges.local import LocalChatModel
from tasks.evaluation.judges.opening import open_judge
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.models.encoding import encode_prompt

ASKED = [ChatRequest(user_prompt("what is better " * n), max_tokens=5) for n in (1, 7, 3)]
LIKELIEST = [
    ChatRequest(user_prompt(f"which {'is ' * n}?"), max_tokens=1, temperature=t, top_logprobs=4)
    for n in (1, 9, 4)
    for t in (0.0, 1.0)
]


def opened(folder: Path, home: Path, **changed: object) -> LocalChatModel:
    return LocalChatModel(JudgeSettings(kind="local", model=str(folder), **changed), AnswerCache(home))  # type: ignore[arg-type]


def test_greedy_answers_are_those_of_generate(chat_folder: Path, tmp_path: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(chat_folder), AutoModelForCausalLM.from_pretrained(chat_folder)
    for request, answer in zip(ASKED, opened(chat_folder, tmp_path).complete(ASKED), strict=True):
        ids = torch.tensor([encode_prompt(tokenizer, request.messages)])
        written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)[0]
        assert answer.text == tokenizer.decode(written[ids.shape[1] :], skip_special_tokens=True)
        assert (answer.prompt_tokens, answer.completion_tokens) == (ids.shape[1], len(written) - ids.shape[1])


def test_first_tokens_come_with_the_models_log_probabilities(chat_folder: Path, tmp_path: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(chat_folder), AutoModelForCausalLM.from_pretrained(chat_folder)
    for request, answer in zip(LIKELIEST, opened(chat_folder, tmp_path).complete(LIKELIEST), strict=True):
        ids = torch.tensor([encode_prompt(tokenizer, request.messages)])
        with torch.no_grad():
            wanted = model(ids).logits[0, -1, : len(tokenizer)].log_softmax(-1).topk(4)
        assert [token for token, _ in answer.first_token] == [tokenizer.decode([i]) for i in wanted.indices]
        assert [value for _, value in answer.first_token] == pytest.approx(wanted.values.tolist(), abs=1e-4)
        assert sum(math.exp(value) for _, value in answer.first_token) <= 1.0
        if request.temperature == 0:
            assert answer.text == tokenizer.decode([wanted.indices[0]], skip_special_tokens=True)


def test_answers_do_not_depend_on_the_batch_and_are_kept(chat_folder: Path, tmp_path: Path) -> None:
    warm = [ChatRequest(one.messages, 5, temperature=1.0, attempt=attempt) for one in ASKED for attempt in (0, 1)]
    requests = [*ASKED, *warm, *LIKELIEST]
    together = opened(chat_folder, tmp_path / "a", batch_rows=16).complete(requests)
    alone = opened(chat_folder, tmp_path / "b", batch_rows=1).complete(requests)
    assert [one.text for one in together] == [one.text for one in alone]
    assert together[3].text != together[4].text
    again = opened(chat_folder, tmp_path / "a")
    assert [one.text for one in again.complete(requests)] == [one.text for one in together]
    assert "sampler" not in vars(again)
    assert (again.costs.requests, again.costs.cached_requests) == (0, len(requests))


def test_its_weights_and_number_format_are_its_version(chat_folder: Path, tmp_path: Path) -> None:
    plain = opened(chat_folder, tmp_path)
    moved = tmp_path / chat_folder.name
    moved.mkdir()
    for path in chat_folder.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    assert (plain.name, plain.version) == (opened(moved, tmp_path).name, opened(moved, tmp_path).version)
    assert plain.version != opened(chat_folder, tmp_path, dtype="bfloat16").version
    (moved / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert plain.version != opened(moved, tmp_path).version


def test_requests_that_do_not_fit_are_counted_before_any_is_answered(chat_folder: Path, tmp_path: Path) -> None:
    model = opened(chat_folder, tmp_path)
    with pytest.raises(UserError, match=r"1 of 4 requests .* longer than its context of 256 tokens"):
        model.complete([*ASKED, ChatRequest(user_prompt("hello " * 250), max_tokens=100)])
    assert model.costs.requests == 0


def test_a_stage_sees_progress_and_costs(chat_folder: Path, rlhf_home: Path) -> None:
    spool = rlhf_home / "spool" / "run.jsonl"
    spool.parent.mkdir()
    with stage_tracker(spool, rlhf_home / "work"):
        verdicts = open_judge(JudgeSettings(model=str(chat_folder))).compare(comparisons(4), Checksum())
    assert all(verdict.preference is not None for verdict in verdicts)
    assert '"done": 4, "total": 4, "unit": "judgments"' in (rlhf_home / "work" / "progress.json").read_text()
    assert all(f"cost/{name}" in spool.read_text() for name in ("prompt_tokens", "requests", "cached_requests"))
