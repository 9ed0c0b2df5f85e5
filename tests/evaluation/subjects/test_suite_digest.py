import gzip

import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.subjects.reading import content_digest


def test_a_file_and_its_gzip_are_the_same_questions(tmp_path):
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b'{"a": 1}\n')
    packed.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert content_digest(plain) == content_digest(packed)
    packed.write_bytes(gzip.compress(b'{"a": 2}\n'))
    assert content_digest(plain) != content_digest(packed)


def test_damaged_gzip_is_named(tmp_path):
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(b"a" * 999)[:-9])
    with pytest.raises(UserError, match=r"cut\.jsonl\.gz: damaged"):
        content_digest(path)
