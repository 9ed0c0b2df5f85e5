"""What the tests of the policy-gradient loop share."""

import pytest
from reinforced import Bench


@pytest.fixture
def bench(rlhf_home) -> Bench:
    """An untrained policy, prompts, and runs from them."""
    return Bench(rlhf_home / "bench")
