"""SPPO whose win rates are what the judge of fresh pairs wrote."""

import pytest
from scored import agrees_with_finite_differences, scored, value

from tasks.policy.objectives.judged_sppo import JudgedSPPO
from tasks.policy.objectives.sppo import SPPO


def test_the_judge_s_rewards_are_sppo_s_win_rates():
    rows, previous = [[-10.0, -13.0], [-8.0, -16.0]], [[-11.0, -13.0], [-9.5, -14.0]]
    wins = [[0.9, 0.1], [0.6, 0.4]]
    judged = scored(rows, previous=previous, columns={"rewards": wins, "strength": [0.8, 0.6]})
    plain = scored(rows, previous=previous, columns={"win_rates": wins})
    objective = SPPO(eta=4.0)
    assert value(JudgedSPPO(sppo=objective), judged) == value(objective, plain)
    assert agrees_with_finite_differences(JudgedSPPO(), judged)
    step = (1.0 - 4.0 * 0.4) ** 2 + 0.0 + (1.5 - 4.0 * 0.1) ** 2 + (-2.0 + 4.0 * 0.1) ** 2
    lower = (0.0 + 4.0 * 0.4) ** 2
    assert value(JudgedSPPO(sppo=objective), judged) == pytest.approx((step + lower) / 4)


@pytest.mark.parametrize("wins", [[[1.2, 0.1]], [[0.5, -3.0]]])
def test_rewards_that_are_no_rates_are_refused(wins):
    group = scored([[-10.0, -13.0]], previous=[[-11.0, -13.0]], columns={"rewards": wins})
    with pytest.raises(ValueError, match="pairwise judge"):
        JudgedSPPO().loss(group)
