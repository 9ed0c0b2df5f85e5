"""What the tests of fresh pairs share."""

import pytest
from freshly import FreshBench


@pytest.fixture
def fresh_bench(rlhf_home) -> FreshBench:
    """An untrained policy, prompts, and runs from them."""
    return FreshBench(rlhf_home / "fresh")


@pytest.fixture(scope="module")
def drawing_bench(tmp_path_factory) -> FreshBench:
    """The same for tests that only draw; one for a module."""
    return FreshBench(tmp_path_factory.mktemp("drawing") / "fresh")
