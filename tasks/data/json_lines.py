"""JSON lines, plain or gzipped, with every row's exact line."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from tasks.data.located import LocatedRow
from tasks.engine.schema import UserError


def read_json_lines(path: Path) -> Iterator[LocatedRow]:
    """Yield the rows of a ``.jsonl`` or ``.jsonl.gz`` file; blank lines are skipped but counted.

    A line that is no JSON object is yielded with its ``problem``.

    Raises:
        UserError: the file cannot be opened, or its gzip stream is cut off or damaged.
    """
    lines_read = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for raw in stream:
                lines_read += 1
                if raw.strip():
                    yield parse_line(str(path), lines_read, raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{path}: damaged or cut-off gzip file ({error}) after {lines_read} whole lines; fetch it again"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check data.path") from error


def parse_line(file: str, line: int, raw: bytes) -> LocatedRow:
    """One line as a row, or as a row with a problem."""
    try:
        fields = json.loads(raw.decode("utf-8-sig" if line == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return LocatedRow(file, line, {}, "not UTF-8", f"byte {error.start + 1}")
    except (ValueError, RecursionError) as error:
        return LocatedRow(file, line, {}, "malformed JSON", str(error))
    if not isinstance(fields, dict):
        return LocatedRow(file, line, {}, "not a JSON object", type(fields).__name__)
    return LocatedRow(file, line, fields)
