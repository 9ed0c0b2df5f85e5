"""Several test sets as one, drops between them, and lengths of whole runs as scores."""

import pandas as pd
import pytest

from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.shifted_accuracies import accuracy_drops, pooled
from tasks.evaluation.whole_run_scores import WHOLE_RUN, length_regressions

ACCURACY = {
    ("exrm", "id"): (1.0, 0.8),
    ("exrm", "hot"): (0.5, 0.5),
    ("exrm", "far"): (1.0, 1.0),
    ("dporm", "id"): (1.0, 1.0),
}


def of(arm: str, suite: str, metric: str, values, seed: int = 0) -> pd.DataFrame:
    named = {f"p{number}": value for number, value in enumerate(values)}
    return score_rows(paper="study", arm=arm, seed=seed, suite=suite, metric=metric, values=named)


SCORES = concat_scores([of(arm, suite, "reward_accuracy", values) for (arm, suite), values in ACCURACY.items()])


def test_prompts_of_two_test_sets_stay_apart():
    both = pooled(SCORES, ["hot", "far"], "reward_accuracy", "ood")
    assert set(both["prompt_id"]) == {"hot/p0", "hot/p1", "far/p0", "far/p1"}
    assert set(both["suite"]) == {"ood"}
    assert concat_scores([SCORES, both]).shape[0] == len(SCORES) + 4


def test_a_drop_weighs_every_set_alike_and_wants_all_of_them():
    (found,) = accuracy_drops(SCORES, "study", "id", ["hot", "far"], "reward_accuracy", "drop")
    assert (found["arm"][0], found["prompt_id"][0]) == ("exrm", WHOLE_RUN)
    assert found["value"][0] == pytest.approx(0.9 - 0.75)
    assert accuracy_drops(SCORES, "study", "id", [], "reward_accuracy", "drop") == []


def test_length_is_regressed_a_seed_at_a_time():
    frames = [
        table
        for seed, slope in ((0, 0.5), (1, 2.0))
        for table in (
            of("dpo", "gold", "response_tokens", (2.0, 4.0, 6.0), seed),
            of("dpo", "gold", "kl", (2.0 * slope, 4.0 * slope, 6.0 * slope), seed),
        )
    ]
    found = concat_scores(length_regressions(concat_scores(frames), "study", "length", {"dpo": "gold", "gone": "gold"}))
    values = found.set_index(["metric", "seed"])["value"]
    assert [values["length_slope", seed] for seed in (0, 1)] == [pytest.approx(0.5), pytest.approx(2.0)]
    assert [values["length_r_squared", seed] for seed in (0, 1)] == [pytest.approx(1.0)] * 2
    assert set(found["arm"]) == {"dpo"}
