"""A round as it is drawn: who samples at which temperature, how opinions become labels, what is left out."""

import math

import numpy as np
import pytest
import torch
from freshly import BY_DENSE, DECODING, Decided, rounds

from tasks.models.reference import score_groups
from tasks.policy.fresh.choices import BestWorst, RandomTwo, RankedPairs, Tournament, WholeGroup
from tasks.policy.fresh.judging import Verdict
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.fresh.storing import read_round, write_round
from tasks.reward.sources import GoldReward


def opinion(*rewards: float, chance: float = 1.0) -> Verdict:
    """The higher reward wins with probability ``chance``, equal ones tie."""
    values = np.array(rewards)
    wins = 0.5 + (chance - 0.5) * np.sign(values[:, None] - values[None, :])
    return Verdict(wins, values)


def places(round_) -> list[list[int]]:
    """Which of its prompt's responses each row compares, read from its rewards (place = -reward)."""
    return [[int(-reward) for reward in row.rewards] for row in round_.rows]


def test_a_round_is_the_same_whatever_the_batch_and_the_company(drawing_bench):
    bench = drawing_bench
    wide = bench.drawer(rounds(per_prompt=4, choice=BestWorst())).draw(bench.rows[:12], 3)
    narrow_settings = rounds(per_prompt=4, choice=BestWorst(), decoding=DECODING.model_copy(update={"batch_rows": 5}))
    narrow = bench.drawer(narrow_settings).draw(bench.rows[:12], 3)
    alone = bench.drawer(rounds(per_prompt=4, choice=BestWorst())).draw(bench.rows[7:8], 3)
    drawn = [(row.row["prompt_id"], row.texts) for row in wide.rows]
    assert drawn == [(row.row["prompt_id"], row.texts) for row in narrow.rows]
    assert (alone.rows[0].row["prompt_id"], alone.rows[0].texts) in drawn
    again = bench.drawer(rounds(per_prompt=4, choice=BestWorst())).draw(bench.rows[:12], 3)
    assert again.rows == wide.rows
    for other in (
        bench.drawer(rounds(per_prompt=4, choice=BestWorst())).draw(bench.rows[:12], 4),
        bench.drawer(rounds(per_prompt=4, choice=BestWorst()), seed=1).draw(bench.rows[:12], 3),
    ):
        assert [row.texts for row in other.rows] != [row.texts for row in wide.rows]


def test_responses_are_shared_out_over_policies_and_temperatures(drawing_bench):
    """Cold responses repeat themselves; those of the start policy come from the start policy."""
    bench = drawing_bench
    settings = rounds(per_prompt=8, temperatures=[1.0, 0.01], behaviour="mixed", choice=WholeGroup(), decoding=DECODING)
    drawer = bench.drawer(settings, judge=Decided(opinion(*(-float(place) for place in range(8)))))
    torch.nn.init.constant_(drawer.models["current"].base_model.norm.weight, 0.0)
    other = bench.drawer().models["start"]
    drawer = type(drawer)(**(vars(drawer) | {"models": {"current": drawer.models["current"], "start": other}}))
    drawn = drawer.draw(bench.rows[:8], 0)
    assert places(drawn) == [list(range(8))] * 8
    uniform = -math.log(len(drawer.tokenizer))
    for row in drawn.rows:
        per_token = [score / len(ids) for score, ids in zip(row.anchors["behaviour"], row.group.responses, strict=True)]
        assert per_token[:4] == pytest.approx([uniform] * 4, abs=0.1)
        assert len(set(row.texts[6:8])) == 1
        assert len(set(row.texts[4:6])) == 2
    own = score_groups(other, [row.group for row in drawn.rows])
    assert [row.anchors["behaviour"][4:] for row in drawn.rows] == [
        pytest.approx(scores[4:], abs=1e-3) for scores in own
    ]


def test_sampled_responses_keep_the_scores_that_they_were_sampled_with(drawing_bench):
    bench = drawing_bench
    drawer = bench.drawer(anchors=("reference", "behaviour", "previous"))
    rows = drawer.draw(bench.rows[:16], 0).rows
    for row in rows:
        assert row.anchors["behaviour"] == pytest.approx(row.anchors["reference"], abs=1e-3)
        assert row.anchors["previous"] == row.anchors["reference"]


def test_the_likelier_winner_is_chosen_and_its_strength_kept(drawing_bench):
    drawer = drawing_bench.drawer(judge=Decided(opinion(-0.0, -1.0, chance=0.8)))
    reverse = drawing_bench.drawer(judge=Decided(opinion(-1.0, -0.0, chance=0.8)))
    rows = drawer.draw(drawing_bench.rows[:8], 0).rows
    turned = reverse.draw(drawing_bench.rows[:8], 0).rows
    assert [row.strength for row in rows + turned] == pytest.approx([0.8] * 16)
    assert [row.texts for row in rows] == [row.texts[::-1] for row in turned]
    assert [row.rewards for row in rows + turned] == [[0.0, -1.0]] * 16
    assert [row.win_rates for row in rows] == [pytest.approx([0.8, 0.2])] * 8


def test_sampled_winners_come_up_as_often_as_they_should(drawing_bench):
    """Bernoulli(0.8) over 64 prompts and 10 rounds: 512 expected, three deviations are 30."""
    labels = RewardLabels(decide="sampled")
    drawer = drawing_bench.drawer(labels=labels, judge=Decided(opinion(-0.0, -1.0, chance=0.8)))
    rows = [row for number in range(10) for row in drawer.draw(drawing_bench.rows, number).rows]
    firsts = [row for row in rows if row.rewards == [0.0, -1.0]]
    assert 482 <= len(firsts) <= 542
    assert len(rows) == 640
    assert {round(row.strength, 6) for row in firsts} == {0.8}
    assert {round(row.strength, 6) for row in rows if row not in firsts} == {0.2}
    even = drawing_bench.drawer(labels=labels, judge=Decided(opinion(0.0, 0.0))).draw(drawing_bench.rows, 0)
    assert (even.facts["pairs"], even.facts["tied"]) == (64.0, 0.0)


def test_flipped_labels_are_as_many_as_asked_for_and_claim_the_strength_of_right_ones(drawing_bench):
    judge = Decided(opinion(-0.0, -1.0, chance=0.9))
    drawn = [
        [row for number in range(5) for row in one.draw(drawing_bench.rows, number).rows]
        for one in (drawing_bench.drawer(labels=RewardLabels(flip=flip), judge=judge) for flip in (0.0, 0.25, 1.0))
    ]
    flipped = [[row for row in rows if row.rewards == [-1.0, 0.0]] for rows in drawn]
    assert len(flipped[0]) == 0
    assert 80 - 24 <= len(flipped[1]) <= 80 + 24
    assert len(flipped[2]) == 320
    assert {round(row.strength, 6) for rows in drawn for row in rows} == {0.9}


def test_ties_and_equal_texts_are_left_out_and_counted(drawing_bench):
    tied = drawing_bench.drawer(judge=Decided(opinion(0.0, 0.0))).draw(drawing_bench.rows[:8], 0)
    assert not tied.rows
    assert [tied.facts[name] for name in ("pairs", "tied", "identical", "dropped")] == [0.0, 8.0, 0.0, 0.0]
    cold = rounds(temperatures=[0.01])
    same = drawing_bench.drawer(cold, judge=Decided(opinion(1.0, 0.0))).draw(drawing_bench.rows[:8], 0)
    assert not same.rows
    assert [same.facts[name] for name in ("pairs", "tied", "identical", "dropped")] == [0.0, 0.0, 8.0, 0.0]
    knockout = rounds(per_prompt=4, choice=Tournament())
    lost = drawing_bench.drawer(knockout, judge=Decided(opinion(*[0.0] * 4))).draw(drawing_bench.rows[:8], 0)
    assert [lost.facts[name] for name in ("pairs", "tied", "identical", "dropped")] == [0.0, 0.0, 0.0, 8.0]


@pytest.mark.parametrize(
    ("choice", "rows"), [(RankedPairs(rule="all"), 6), (RankedPairs(), 2), (RandomTwo(), 1), (WholeGroup(), 1)]
)
def test_every_comparison_is_counted_once(drawing_bench, choice, rows):
    drawn = drawing_bench.drawer(rounds(per_prompt=4, choice=choice)).draw(drawing_bench.rows[:8], 0)
    assert sum(drawn.facts[name] for name in ("pairs", "tied", "identical", "dropped")) == 8 * rows
    assert len(drawn.rows) == drawn.facts["pairs"]


def test_a_whole_group_is_ranked_with_its_rewards(drawing_bench):
    settings = rounds(per_prompt=4, choice=WholeGroup())
    drawn = drawing_bench.drawer(settings, judge=Decided(opinion(0.1, 0.9, 0.5, 0.7))).draw(drawing_bench.rows[:4], 0)
    assert [row.rewards for row in drawn.rows] == [[0.9, 0.7, 0.5, 0.1]] * 4
    assert [row.win_rates for row in drawn.rows] == [pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])] * 4
    assert {len(row.texts) for row in drawn.rows} == {4}


def test_a_calibration_response_is_the_last_of_its_row_and_has_no_reward(drawing_bench):
    plain = drawing_bench.drawer(rounds()).draw(drawing_bench.rows[:8], 0)
    drawn = drawing_bench.drawer(rounds(calibration=True), anchors=("reference",)).draw(drawing_bench.rows[:8], 0)
    assert [row.texts[:2] for row in drawn.rows] == [row.texts for row in plain.rows]
    for row in drawn.rows:
        assert [len(part) for part in (row.texts, row.group.responses, row.anchors["reference"])] == [3, 3, 3]
        assert [len(part) for part in (row.rewards, row.win_rates, row.gold)] == [2, 2, 2]
    assert len({row.texts[2] for row in drawn.rows}) > 1
    count = sum(len(response) for row in drawn.rows for response in row.group.responses)
    assert (len(drawn.rows), drawn.facts["sampled_tokens"]) == (8, count)


def test_gold_labels_agree_with_gold(drawing_bench):
    drawer = drawing_bench.drawer(labels=RewardLabels(source=GoldReward()))
    facts = drawer.draw(drawing_bench.rows, 0).facts
    assert facts["labels_agree_with_gold"] == (1.0 if facts["pairs"] else 0.5)
    noisy = drawing_bench.drawer(labels=BY_DENSE).draw(drawing_bench.rows, 0)
    golds = np.array([row.gold for row in noisy.rows])
    unequal = golds[golds[:, 0] != golds[:, 1]]
    expected = float((unequal[:, 0] > unequal[:, 1]).mean()) if len(unequal) else 0.5
    assert noisy.facts["labels_agree_with_gold"] == pytest.approx(expected)


def test_a_stored_round_is_read_to_the_last_bit(drawing_bench, tmp_path):
    settings = rounds(per_prompt=4, choice=RankedPairs(rule="all"), calibration=True)
    drawn = drawing_bench.drawer(settings, anchors=("reference", "behaviour")).draw(drawing_bench.rows[:8], 0)
    rows = [row._replace(gold=[math.nan, row.gold[1]]) for row in drawn.rows]
    path = tmp_path / "rounds" / "round-000000.parquet"
    write_round(rows, drawn.facts, path)
    found, facts = read_round(path)
    assert facts == drawn.facts
    assert [row._replace(gold=[]) for row in found] == [row._replace(gold=[]) for row in rows]
    assert all(math.isnan(row.gold[0]) for row in found)
    path.with_suffix(".json").unlink()
    assert read_round(path) is None
