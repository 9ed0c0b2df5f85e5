"""Hub data sets: downloaded, then read offline; every failure is one line that says what to do.

The Hub's address and cache are fixed when its client is imported, so each case runs in a child process,
against a small Hub on the loopback interface.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).parents[2]
READ = """
import json, sys
from tasks.data.reading import read_rows
from tasks.data.source import DataSource
from tasks.engine.schema import UserError
outcomes = []
for settings in json.loads(sys.argv[1]):
    try:
        rows = list(read_rows(DataSource(**settings)))
        outcomes.append([[row.file, row.line, row.fields["prompt"]] for row in rows])
    except UserError as error:
        outcomes.append(str(error))
print(json.dumps(outcomes))
"""

COMMIT = "a" * 40
CONTENT = b"".join(b'{"prompt": "p%d", "chosen": "c", "rejected": "r"}\n' % number for number in range(3))
FILE = {"type": "file", "oid": "0" * 40, "size": len(CONTENT), "path": "train.jsonl"}


class HubHandler(BaseHTTPRequestHandler):
    """Serves `org/good` (one file, train.jsonl), refuses `org/gated`, and knows nothing else."""

    def answer(self) -> None:
        path = urlparse(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith("/datasets/org/good/resolve/"):
            self.send_file(path)
        elif path.startswith("/api/datasets/org/gated"):
            self.send(403, b"", {"X-Error-Code": "GatedRepo"})
        elif path == "/api/datasets/org/good/revision/nope":
            self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith("/api/datasets/org/good"):
            self.send_json(path, body)
        else:
            self.send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def send_file(self, path: str) -> None:
        if path.endswith("/train.jsonl"):
            self.send(200, CONTENT, {"ETag": '"content"', "X-Repo-Commit": COMMIT})
        else:
            self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})

    def send_json(self, path: str, body: bytes) -> None:
        value: object = {"id": "org/good", "sha": COMMIT, "siblings": [{"rfilename": "train.jsonl"}]}
        if "/tree/" in path:
            value = [FILE]
        elif "/paths-info/" in path:
            value = [FILE] if b"train.jsonl" in body else []
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    do_GET = do_HEAD = do_POST = answer


def read_in_child(cases: list[dict], endpoint: str, cache: Path, **environment: str) -> list:
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "PYTHONPATH": str(ROOT), **environment}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    child = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(cases)],
        env=inherited | settings, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return json.loads(child.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def online(cache) -> list:
    """Outcomes with the Hub within reach; fills the cache."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cases = [
        {"path": "org/good"}, {"path": "org/good", "split": "dev"}, {"path": "org/good", "revision": "nope"},
        {"path": "org/good", "config_name": "other"}, {"path": "org/gated"}, {"path": "org/none"},
    ]  # fmt: skip
    try:
        return read_in_child(cases, f"http://127.0.0.1:{server.server_port}", cache)
    finally:
        server.shutdown()
        server.server_close()


ROWS = [["org/good@aaaaaaaa:train", line, f"p{line - 1}"] for line in (1, 2, 3)]


def test_rows_are_named_by_repository_commit_and_split(online):
    assert online[0] == ROWS


def test_what_the_hub_refuses_is_said_in_one_line(online):
    _, split, revision, config_name, gated, unknown = online
    assert "org/good: cannot be loaded" in split
    assert "check split" in split
    assert "no revision 'nope' on the Hub; set revision" in revision
    assert "check split, config_name and revision" in config_name
    assert "org/gated: gated on the Hub; accept its terms" in gated
    assert "org/none: neither a local path nor a data set on the Hub" in unknown
    assert not any("\n" in message for message in online[1:])


NO_HUB = "http://127.0.0.1:9"  # the discard port: nothing listens


def test_what_was_read_once_is_there_offline(online, cache):
    cases = [{"path": "org/good"}, {"path": "org/other", "revision": "v2"}]
    cached, missing = read_in_child(cases, NO_HUB, cache, HF_HUB_OFFLINE="1")
    assert cached == online[0]
    assert "org/other: no such local path, and not in the Hub cache while offline" in missing
    assert "`hf download --repo-type dataset org/other --revision v2`" in missing


def test_a_hub_out_of_reach_is_noticed_at_once_and_offline_is_a_setting_too(online, cache):
    started = perf_counter()
    cases = [{"path": "org/good"}, {"path": "org/good", "offline": True}]
    unreachable, cached = read_in_child(cases, NO_HUB, cache)
    assert "org/good: the Hub cannot be reached" in unreachable
    assert "`hf download --repo-type dataset org/good`, then set offline: true" in unreachable
    assert cached == online[0]
    assert perf_counter() - started < 60
