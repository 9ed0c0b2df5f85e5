import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.subjects.subject import Subject, endpoint_of, kind_of


def test_a_source_is_told_by_its_looks(tmp_path):
    outputs = tmp_path / "outputs.jsonl.gz"
    outputs.touch()
    assert kind_of(Subject(source="0123456789abcdef" * 2)) == "run"
    assert kind_of(Subject(source=str(tmp_path))) == "model"
    assert kind_of(Subject(source="org/name")) == "model"
    assert kind_of(Subject(source=str(outputs))) == "outputs"
    assert kind_of(Subject(source="http://127.0.0.1:8000/v1")) == "endpoint"
    assert kind_of(Subject(source="org/name", kind="run")) == "run"


@pytest.mark.parametrize("source", ["", "gone.jsonl", "/no/such/folder", "a b"])
def test_a_source_that_is_nothing_is_refused(source):
    with pytest.raises(UserError):
        kind_of(Subject(source=source))


def test_an_endpoint_needs_the_name_of_its_model():
    subject = Subject(source="http://127.0.0.1:8000/v1/")
    with pytest.raises(UserError, match=r"--set endpoint\.model=NAME"):
        endpoint_of(subject, JudgeSettings(kind="endpoint"))
    found = endpoint_of(subject, JudgeSettings(kind="endpoint", model="tiny"))
    assert (found.base_url, found.kind) == ("http://127.0.0.1:8000/v1", "endpoint")
