import inspect
import subprocess
import sys

import pytest

from flows.catalog import PAPERS, find_entry, open_flow, open_paper
from tasks.engine.schema import UserError


@pytest.mark.parametrize("key", PAPERS)
def test_the_list_says_what_the_paper_says(key: str) -> None:
    entry, paper = PAPERS[key], open_paper(key)
    assert paper.key == key
    assert (entry.title, entry.arxiv, entry.family, dict(entry.minutes)) == (
        paper.title,
        paper.arxiv,
        paper.family,
        dict(paper.minutes),
    )


@pytest.mark.parametrize("key", PAPERS)
def test_a_flow_takes_its_paper_s_configuration_and_nothing_else(key: str) -> None:
    paper = open_paper(key)
    flow = open_flow(paper)
    assert flow.name == key
    parameters = inspect.signature(flow.fn).parameters
    assert list(parameters) == ["config"]
    assert parameters["config"].default == paper.config()


@pytest.mark.parametrize("key", PAPERS)
def test_claims_have_names_of_their_own(key: str) -> None:
    names = [claim.key for claim in open_paper(key).claims]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("key", "hint"),
    [("dop", "did you mean osp or dpo or dr_po?"), ("DPO", "did you mean dpo?"), ("x", "rlhf list")],
)
def test_an_unknown_paper_is_refused_with_a_hint(key: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint.replace("?", r"\?")):
        find_entry(key)


def test_looking_up_and_opening_a_paper_leaves_heavy_libraries_alone() -> None:
    code = """
import sys
import flows.cli
flows.cli.listing.list_papers()
assert not {"prefect", "mlflow", "pandas", "torch"} & set(sys.modules), "listing"
from flows.catalog import PAPERS, open_paper
for key in PAPERS:
    open_paper(key)
assert "torch" not in sys.modules, "opening"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
