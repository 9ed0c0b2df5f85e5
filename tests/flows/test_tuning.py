"""Fair tuning: equal budgets, the configured settings first, failures survived; trials that cost nothing."""

import pandas as pd
import pytest
from prefect import flow

from flows.paper import PaperConfig
from flows.tuning import Candidate, Tuning, search, settings_of, space_of, with_settings
from tasks.data.tables import store_scores
from tasks.engine.refs import Scores
from tasks.engine.schema import UserError
from tasks.engine.session import paper_run
from tasks.engine.stage import stage
from tasks.policy.objectives.bo2 import Bo2
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.optimisation import PreferenceTraining


@stage()
def height(learning_rate: float, beta: float) -> Scores:
    """A hill with its top at rate 1e-4 and beta 0.2; no height at all above rate 4e-4."""
    import math

    from tasks.engine.schema import UserError as Refused

    if learning_rate > 4e-4:
        raise Refused("diverged")
    value = -(math.log10(learning_rate / 1e-4) ** 2) - math.log10(beta / 0.2) ** 2
    table = pd.DataFrame({"prompt_id": ["p"], "metric": ["gold_reward"], "value": [value], "point": [""]})
    return store_scores(table)


def searched(tuning: Tuning, own: dict[str, float]):
    candidate = Candidate(own, space_of(own, tuning), lambda settings, number: height.submit(**settings))

    @flow
    def run():
        with paper_run("tuned", PaperConfig(), {}, "tuned"):
            return search({"one": candidate, "two": candidate}, "gold_reward", tuning)

    return run()


@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_every_arm_gets_as_many_trials_and_never_ends_below_its_own_settings():
    own = {"learning_rate": 3e-4, "beta": 0.1}
    found = searched(Tuning(trials=6, highest_rate=2e-3), own)
    assert found.trials.groupby("arm").size().to_dict() == {"one": 6, "two": 6}
    first = found.trials[found.trials["trial"] == 0]
    assert first["learning_rate"].tolist() == pytest.approx([3e-4] * 2)
    for name, best in found.best.items():
        rows = found.trials[found.trials["arm"] == name]
        assert rows["value"].max() >= first["value"].iloc[0]
        top = rows.loc[rows["value"].idxmax()]
        assert best == pytest.approx({"learning_rate": top["learning_rate"], "beta": top["beta"]})


@pytest.mark.exhaustive
@pytest.mark.usefixtures("prefect_server", "rlhf_home")
def test_an_arm_whose_trials_all_fail_is_named():
    with pytest.raises(UserError, match=r"tuning one: all 2 trials failed; first: .*diverged"):
        searched(Tuning(trials=2, lowest_rate=5e-4, highest_rate=1e-3), {"learning_rate": 6e-4, "beta": 0.1})


def test_an_arm_s_learning_rate_is_tuned_and_its_strength_by_its_usual_name():
    training = PreferenceTraining(learning_rate=3e-4)
    assert settings_of(DPO(beta=0.2), training) == {"learning_rate": 3e-4, "beta": 0.2}
    assert settings_of(IPO(tau=0.3), training) == {"learning_rate": 3e-4, "tau": 0.3}
    assert settings_of(Bo2(), training) == {"learning_rate": 3e-4}
    objective, budget = with_settings(DPO(), training, {"learning_rate": 1e-5, "beta": 0.4})
    assert (objective, budget.learning_rate) == (DPO(beta=0.4), 1e-5)


def test_the_space_is_around_the_configured_strength():
    space = space_of({"learning_rate": 1e-4, "beta": 0.2}, Tuning(strength_factor=4.0))
    assert space["beta"] == pytest.approx((0.05, 0.8))
    assert space["learning_rate"] == (2e-5, 5e-4)
