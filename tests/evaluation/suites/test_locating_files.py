import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.suites.locating import PublicFile, locate

WANTED = PublicFile(("questions.jsonl", "test.jsonl"), "", origin="github.com/org/benchmark")


@pytest.mark.parametrize("folder", ["", "my_suite", "MySuite", "my-suite"])
@pytest.mark.parametrize("name", ["questions.jsonl", "test.jsonl.gz"])
def test_a_file_is_found_under_its_names_in_the_folder_or_the_suites(tmp_path, folder, name):
    path = tmp_path / folder / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert locate("my_suite", str(tmp_path), WANTED) == path
    assert locate("my_suite", str(path), WANTED) == path


def test_the_suites_folder_comes_first(tmp_path):
    (tmp_path / "my_suite").mkdir()
    for path in (tmp_path / "questions.jsonl", tmp_path / "my_suite" / "test.jsonl"):
        path.touch()
    assert locate("my_suite", str(tmp_path), WANTED).parent.name == "my_suite"


def test_what_is_wanted_is_named(tmp_path):
    with pytest.raises(UserError, match=r"my_suite: questions\.jsonl or test\.jsonl is wanted, .*github\.com/org"):
        locate("my_suite", str(tmp_path), WANTED)
