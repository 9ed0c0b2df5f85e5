import pandas as pd
import pytest

from tasks.engine.schema import UserError
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.filters import KeepAll, Threshold
from tasks.policy.thresholds import thresholds_at
from tasks.reward.scoring import store_rewards


def rewards_of(values):
    return store_rewards(pd.DataFrame({"prompt_id": "p", "sample": range(len(values)), "reward": values}))


def test_thresholds_are_quantiles_and_nothing_else_changes(rlhf_home):
    method = PolicyGradient(per_prompt=5, filter=Threshold(scheme="top_random", others_kept=0.25))
    found = thresholds_at(method, rewards_of([10.0 * number for number in range(11)]), 0.7, 0.3)
    assert found.filter == Threshold(scheme="top_random", others_kept=0.25, upper=70.0, lower=30.0)
    assert found.model_copy(update={"filter": method.filter}) == method


def test_a_filter_without_thresholds_is_refused(rlhf_home):
    with pytest.raises(UserError, match="filter keep_all has no thresholds"):
        thresholds_at(PolicyGradient(filter=KeepAll()), rewards_of([0.0, 1.0]), 0.7, 0.3)
