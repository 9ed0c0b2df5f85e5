"""A judge's answers on disk: stored one by one as they come, so that nothing is asked, or paid for, twice."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from tasks.engine.home import home
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import ChatRequest, Completion

FILE = "answers.sqlite"
WAIT_SECONDS = 60.0
"""How long a process waits for another one that is writing."""
KEYS_A_QUERY = 500
SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"


def request_key(judge: str, request: ChatRequest) -> str:
    """64 hexadecimal digits: SHA-256 of who is asked (``judge``) and of every field of the request.

    ``judge`` names an endpoint's model and where it is served, or a local model's weights; never a key.
    """
    asked = {**asdict(request), "messages": [dict(message) for message in request.messages]}
    return sha256(json.dumps({"judge": judge, "request": asked}, sort_keys=True).encode()).hexdigest()


class AnswerCache:
    """Answers by ``request_key`` in one SQLite file, for any number of processes of one machine.

    A write-ahead log holds every stored answer before ``put`` returns, so a process that is killed loses none and
    leaves a file that opens. The file must not lie on a network file system, where such a log does not work.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Open the cache in ``folder``, or that of the working folder. Raises UserError if it cannot be written."""
        self.path = (folder or home() / "judge-cache") / FILE
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"{self.path}: the cache of judgments cannot be opened ({error}); set RLHF_HOME to a folder of this "
                "machine that can be written, or move the file away if it is damaged"
            ) from error

    def get(self, keys: Sequence[str]) -> dict[str, Completion]:
        """The answers that are stored, by key, each with ``cached`` set. Raises UserError if they cannot be read."""
        found: dict[str, Completion] = {}
        for start in range(0, len(keys), KEYS_A_QUERY):
            wanted = keys[start : start + KEYS_A_QUERY]
            query = f"SELECT key, answer FROM answers WHERE key IN ({','.join('?' * len(wanted))})"
            try:
                found |= {key: _read(answer) for key, answer in self._connection.execute(query, wanted)}
            except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
                raise UserError(
                    f"{self.path}: answers of the judge cannot be read ({error}); if the file is damaged, move it away "
                    "with those beside it of the same name, and they are asked for again"
                ) from error
        return found

    def put(self, key: str, completion: Completion) -> Completion:
        """Store an answer; returns the one that is stored now, which is the first where two processes asked.

        Raises UserError if it cannot be written.
        """
        fields = {name: value for name, value in asdict(completion).items() if name != "cached"}
        try:
            self._connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, json.dumps(fields)))
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: an answer of the judge cannot be kept ({error}); make room there") from error
        return replace(self.get([key])[key], cached=False)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _read(answer: str) -> Completion:
    fields = json.loads(answer)
    first = tuple((str(token), float(log_prob)) for token, log_prob in fields.pop("first_token"))
    return Completion(**fields, first_token=first, cached=True)
