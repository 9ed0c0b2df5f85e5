"""Preferences that go in a circle: styles, probabilities, content, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.engine.schema import UserError
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow
from tasks.policy.fresh.cyclic import STYLES, CyclicJudge, content_of, cyclic_wins, style_of, styles_of
from tasks.policy.fresh.judging import Answered, open_judge
from tasks.policy.fresh.labellers import CyclicLabels

LABELS = CyclicLabels(advantage=0.8)


def sampled(responses: list[str], family: str = "instruct") -> list[SampleRow]:
    (row,) = demonstrations(sample_prompts(family, "train", 1, seed=0), seed=0)
    return [
        SampleRow(
            prompt_id=row["prompt_id"], prompt=row["prompt"], family=family, sample=place, response=response,
            ids=[1, 2], finished=True, log_prob=0.0,
        )
        for place, response in enumerate(responses)
    ]  # fmt: skip


def test_every_style_beats_the_next_and_the_last_beats_the_first():
    wins = cyclic_wins(np.arange(3), np.zeros(3), LABELS)
    assert wins.tolist() == [pytest.approx(row) for row in ([0.5, 0.8, 0.2], [0.2, 0.5, 0.8], [0.8, 0.2, 0.5])]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-3, 3)), min_size=2, max_size=8))
def test_two_responses_share_one_probability_and_equal_ones_tie(responses):
    styles, content = np.array([style for style, _ in responses]), np.array([value for _, value in responses])
    wins = cyclic_wins(styles, content, LABELS)
    assert wins + wins.T == pytest.approx(np.ones_like(wins))
    assert np.diag(wins) == pytest.approx(np.full(len(wins), 0.5))


def test_content_adds_log_odds_to_the_circle_s():
    labels = CyclicLabels(advantage=0.8, content_weight=2.0)
    wins = cyclic_wins(np.array([0, 1]), np.array([0.0, 1.5]), labels)
    assert math.log(wins[0, 1] / wins[1, 0]) == pytest.approx(math.log(4.0) - 2.0 * 1.5)


def test_the_opener_is_the_style_and_brings_no_content():
    assert STYLES == ("plain", "sure !", "of course !")
    rows = sampled(["red .", "sure ! red .", "  of  course ! red ."])
    assert styles_of(rows).tolist() == [0, 1, 2]
    assert content_of(rows) == pytest.approx(np.full(3, content_of(rows)[0]))
    assert style_of("surely red .") == 0
    (verdict,) = CyclicJudge(LABELS, []).judge([Answered([1], rows)])
    assert verdict.wins == pytest.approx(cyclic_wins(np.arange(3), np.zeros(3), LABELS))
    assert verdict.rewards == pytest.approx([0.5, 0.5, 0.5]), "no reward explains a circle"


def test_other_prompts_and_fitted_models_are_refused():
    with pytest.raises(UserError, match="of family instruct alone, not tldr"):
        CyclicJudge(LABELS, []).judge([Answered([1], sampled(["red .", "blue ."], "tldr"))])
    with pytest.raises(UserError, match="reads no model, 1 fitted models were given"):
        open_judge(LABELS, [None], ModelConfig(), None, None)  # type: ignore[list-item, arg-type]
    assert isinstance(open_judge(LABELS, [], ModelConfig(), None, None), CyclicJudge)  # type: ignore[arg-type]
