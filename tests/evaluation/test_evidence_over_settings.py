"""The gap to a tuned baseline: which setting stands for it, and what it is worth."""

import numpy as np
import pytest

from tasks.evaluation.evidence import FrontierGap
from tasks.evaluation.evidence_over_settings import GapToBestSetting, smallest_elsewhere
from tasks.evaluation.scores import concat_scores, score_rows

SUITE, PROMPTS = "gold", 12


def scored(heights: dict[str, list[tuple[float, float]]]):
    """Arm → (kl, reward) at every seed, the same for all prompts."""
    return concat_scores(
        [
            score_rows(
                paper="p", arm=arm, seed=seed, suite=SUITE, metric=metric,
                values={f"prompt-{number}": value for number in range(PROMPTS)},
            )
            for arm, seeds in heights.items()
            for seed, point in enumerate(seeds)
            for metric, value in zip(("kl", "gold_reward"), point, strict=True)
        ]
    )  # fmt: skip


def compared(*settings: str) -> GapToBestSetting:
    return GapToBestSetting(arms=("sft", "online"), settings=tuple(("sft", name) for name in settings), suite=SUITE)


def test_a_poor_setting_that_is_tried_besides_does_not_widen_the_gap():
    scores = scored(
        {"sft": [(0.0, 0.0)] * 2, "online": [(2.0, 2.0)] * 2, "good": [(2.0, 1.0)] * 2, "poor": [(1.0, -1.0)] * 2}
    )
    alone = FrontierGap(arms=("sft", "online"), baselines=("sft", "good"), suite=SUITE).measure(scores)
    found = compared("poor", "good").measure(scores)
    assert found.values.mean() == pytest.approx(0.5)
    assert np.allclose(found.values, alone.values)
    assert found.note.startswith("against 'good' at 2 seeds: KL 0 to 2 nats")


def test_a_seed_is_measured_against_what_is_best_at_the_others():
    lucky = [(1.0, 1.0), (1.0, 0.0), (1.0, 0.0)]
    scores = scored({"sft": [(0.0, 0.0)] * 3, "online": [(1.0, 1.0)] * 3, "lucky": lucky, "sound": [(1.0, 0.4)] * 3})
    found = compared("lucky", "sound").measure(scores)
    assert found.values.mean(axis=1) == pytest.approx([0.3, 0.5, 0.5])


def test_the_choice_leaves_the_seed_itself_out():
    gaps = np.array([[0.0, 9.0, 9.0], [1.0, 1.0, 1.0]])
    assert smallest_elsewhere(gaps) == [1, 1, 1]
    assert smallest_elsewhere(np.array([[0.0, 0.0, 9.0], [1.0, 1.0, 1.0]])) == [1, 1, 0]
    assert smallest_elsewhere(np.array([[2.0], [1.0]])) == [1]


def test_every_point_of_the_settings_is_named_once():
    evidence = compared("one", "other")
    assert evidence.baselines == ("sft", "one", "other")
    with pytest.raises(ValueError, match="wants a setting or more"):
        compared()
