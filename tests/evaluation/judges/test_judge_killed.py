"""A judging process that is killed keeps every answer it was given."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from faulty_proxy import faulty_proxy
from judging_templates import Checksum, comparisons

from tasks.evaluation.judges.cache import AnswerCache
from tasks.evaluation.judges.endpoint import Endpoint
from tasks.evaluation.judges.judge import Verdict
from tasks.evaluation.judges.settings import JudgeSettings

HERE = Path(__file__).resolve()
ASKED, ANSWERED = 9, 5


def start(settings: JudgeSettings) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[3])}
    command = [sys.executable, str(HERE.with_name("judging_process.py")), settings.model_dump_json(), str(ASKED)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_no_answer_that_came_before_a_kill_is_asked_for_again(
    chat_server: int, endpoint_settings: Callable[..., JudgeSettings]
) -> None:
    with faulty_proxy(chat_server, {ANSWERED + 1: "hang"}) as proxy:
        settings = endpoint_settings(proxy.port, concurrency=1, timeout_seconds=300.0)
        killed = start(settings)
        assert proxy.hung.wait(120)
        killed.kill()
        assert killed.communicate()[0] == ""
        before = list(proxy.chats)
        assert len(before) == ANSWERED + 1

        resumed = start(settings)
        verdicts = [Verdict(**fields) for fields in json.loads(resumed.communicate()[0])]
        after = proxy.chats[len(before) :]
        assert len(after) == ASKED - ANSWERED
        assert not set(before[:ANSWERED]) & set(after)
        assert len(set(proxy.chats)) == ASKED

        endpoint = Endpoint(settings, AnswerCache())
        assert all(
            answer.cached for answer in endpoint.complete([Checksum().request(c, 0, "") for c in comparisons(9)])
        )
        assert [verdict.comparison_id for verdict in verdicts] == [c.comparison_id for c in comparisons(ASKED)]
        assert all(verdict.preference is not None for verdict in verdicts)
        assert len(proxy.chats) == ASKED + 1
