"""Win rates of one arm over another, prompt by prompt."""

import numpy as np
import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.evidence_of_wins import WinRate
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.win_rate import win_rate_scores


def tidy(**arms):
    return concat_scores(
        [
            score_rows(
                paper="inpo", arm=arm, seed=seed, suite="gold", metric="gold_reward",
                values={f"p{place}": value for place, value in enumerate(row)},
            )
            for arm, rows in arms.items()
            for seed, row in enumerate(rows)
        ]
    )  # fmt: skip


def test_wins_losses_and_ties_are_counted_a_prompt():
    scores = tidy(late=[[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]], early=[[0.5, 2.0, 4.0], [1.0, 1.0, 1.0]])
    found = WinRate(arm="late", baseline="early", suite="gold").measure(scores)
    assert found.values.tolist() == [[1.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert found.bounds == (0.0, 1.0)
    against = WinRate(arm="early", baseline="late", suite="gold").measure(scores)
    assert (found.values + against.values).tolist() == np.ones((2, 3)).tolist()
    listed = win_rate_scores(scores, "late", "early", "gold")["value"]
    assert found.values.mean() == pytest.approx(listed.mean())


def test_an_arm_that_is_not_there_is_named():
    with pytest.raises(UserError, match="arm 'gone'"):
        WinRate(arm="gone", baseline="a", suite="gold").measure(tidy(a=[[1.0, 2.0]]))
