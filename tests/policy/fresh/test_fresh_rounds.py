"""How rounds become batches: dealing, replayed rounds, what stays in memory, resuming from disk."""

from collections.abc import Sequence

import numpy as np
import pytest
from freshly import TRAINING, Decided, rounds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_fresh_drawing import opinion

from tasks.engine.schema import UserError
from tasks.models.decoding import Decoding
from tasks.policy.fresh.choices import RankedPairs, Tournament
from tasks.policy.fresh.judging import Answered, Verdict
from tasks.policy.fresh.rounds import Rounds, plan_prompts
from tasks.policy.fresh.row import tokens_of

SHORT = Decoding(max_new_tokens=3)


def gone_through(drawer, prompts, steps: int, batch_size: int, folder) -> tuple[Rounds, list[list[int]], list[int]]:
    """All batches of a run, and how many rows were in memory at every step."""
    plan = Rounds(drawer, prompts, steps, batch_size, folder)
    batches, held = [], []
    for step in range(steps):
        batches.append(plan[step])
        held.append(len(plan.rows))
        assert all(place in plan.rows for place in plan[step])
    return plan, batches, held


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.integers(1, 7), batch_size=st.integers(1, 5), refresh=st.integers(1, 4), passes=st.integers(1, 3),
    several=st.booleans(),
)  # fmt: skip
def test_every_row_is_dealt_and_no_step_has_more_than_a_batch(
    drawing_bench, tmp_path_factory, steps, batch_size, refresh, passes, several
):
    choice = {"per_prompt": 4, "choice": RankedPairs(rule="adjacent")} if several else {}
    fresh = rounds(refresh_every_steps=refresh, passes=passes, decoding=SHORT, **choice)
    drawer = drawing_bench.drawer(fresh)
    plan, batches, _ = gone_through(
        drawer, drawing_bench.rows, steps, batch_size, tmp_path_factory.mktemp("dealt") / "rounds"
    )
    assert plan.batches == batches
    assert len(plan) == steps
    assert all(0 < len(batch) <= batch_size for batch in batches)
    for first in range(0, steps, refresh):
        part = batches[first : first + refresh]
        assert max(map(len, part)) - min(map(len, part)) <= 1
        counts = [sum(batch.count(place) for batch in part) for place in {place for batch in part for place in batch}]
        assert max(counts) <= passes
        fresh_rows = int(plan.facts["pairs"]) if first + refresh >= steps else 0
        if fresh_rows * passes <= batch_size * len(part) and fresh_rows:
            assert counts == [passes] * fresh_rows


def test_a_last_round_that_is_shorter_draws_fewer_prompts(drawing_bench, tmp_path):
    drawer = drawing_bench.drawer(rounds(refresh_every_steps=4, decoding=SHORT))
    plan = Rounds(drawer, drawing_bench.rows, 5, 8, tmp_path / "rounds")
    counts = ("pairs", "tied", "identical", "dropped")
    assert len(plan[0]) <= 8
    assert sum(plan.facts[name] for name in counts) == 32
    assert "train_seconds" not in plan.facts
    assert len(plan[4]) <= 8
    assert sum(plan.facts[name] for name in counts) == 8
    assert plan.facts["train_seconds"] >= 0.0


@pytest.mark.parametrize(("replayed", "window"), [(0, 1), (2, 3), (-1, 100)])
def test_earlier_rounds_stay_in_use_as_long_as_asked_for(drawing_bench, tmp_path, replayed, window):
    drawer = drawing_bench.drawer(rounds(rounds_replayed=replayed, per_prompt=4, choice=RankedPairs()))
    plan, batches, held = gone_through(drawer, drawing_bench.rows, 6, 8, tmp_path / "rounds")
    brought = []
    before = 0
    for path in plan.paths:
        from tasks.policy.fresh.row import read_rows

        brought.append(range(before, before + len(read_rows(path))))
        before = brought[-1].stop
    for number, batch in enumerate(batches):
        used = [place for one in brought[max(0, number + 1 - window) : number + 1] for place in one]
        assert held[number] == len(used)
        assert set(batch) <= set(used)
        assert len(batch) == (8 if replayed else len(used))
    if replayed:
        assert any(place < brought[number].start for number, batch in enumerate(batches) for place in batch)


def test_tokens_are_counted_as_they_are_sampled_and_trained_on(drawing_bench, tmp_path):
    drawer = drawing_bench.drawer(rounds(refresh_every_steps=2, passes=2))
    plan = Rounds(drawer, drawing_bench.rows, 4, 4, tmp_path / "rounds")
    trained = sum(tokens_of(plan.rows[place].group) for step in range(4) for place in plan[step])
    assert plan.tokens["trained"] == trained
    again = Rounds(drawer, drawing_bench.rows, 4, 4, tmp_path / "rounds")
    assert again[3] == plan[3]
    assert (again.tokens, again.rows) == (plan.tokens, plan.rows)
    drawn = [drawer.draw([drawing_bench.rows[p] for p in plan._drawn[number]], number) for number in range(2)]
    assert plan.tokens["sampled"] == sum(int(one.facts["sampled_tokens"]) for one in drawn)


def test_a_round_that_is_gone_is_not_drawn_from_a_policy_that_has_moved_on(drawing_bench, tmp_path):
    drawer = drawing_bench.drawer(rounds(refresh_every_steps=2, decoding=SHORT))
    plan = Rounds(drawer, drawing_bench.rows, 6, 4, tmp_path / "rounds")
    assert plan[0]
    for step in (1, 2, 5):
        resumed = Rounds(drawer, drawing_bench.rows, 6, 4, tmp_path / "elsewhere")
        with pytest.raises(UserError, match=rf"step {step + 1} cannot be resumed: round 1 is gone"):
            resumed[step]


def test_a_round_without_enough_pairs_says_what_was_left(drawing_bench, tmp_path):
    drawer = drawing_bench.drawer(rounds(refresh_every_steps=2), judge=Decided(opinion(0.0, 0.0)))
    plan = Rounds(drawer, drawing_bench.rows, 2, 4, tmp_path / "rounds")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"round 1: 0 pairs are left for 2 steps \(of 8 prompts, drawn 5 times; .* tied\)"
        ):
            plan[0]
    knockout = rounds(per_prompt=4, choice=Tournament())
    with pytest.raises(UserError, match="0 pairs are left for 1 steps"):
        _ = Rounds(
            drawing_bench.drawer(knockout, judge=Decided(opinion(*[0.0] * 4))), drawing_bench.rows, 1, 4, tmp_path / "b"
        )[0]


class Hesitant(Decided):
    """Calls everything a tie until it is asked for the ``opens``-th time."""

    def __init__(self, verdict: Verdict, opens: int) -> None:
        super().__init__(verdict)
        self.opens, self.asked = opens, 0

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        self.asked += 1
        return super().judge(prompts) if self.asked >= self.opens else Decided(opinion(0.0, 0.0)).judge(prompts)


def test_a_round_that_is_all_tied_is_drawn_again_and_pays_for_every_draw(drawing_bench, tmp_path):
    fresh = rounds(refresh_every_steps=2)
    hesitant = Hesitant(opinion(1.0, 0.0), opens=3)
    plan = Rounds(drawing_bench.drawer(fresh, judge=hesitant), drawing_bench.rows, 2, 4, tmp_path / "rounds")
    assert sum(map(len, plan)) == plan.facts["pairs"] > 0
    assert hesitant.asked == 3
    counts = ("pairs", "tied", "identical", "dropped")
    assert sum(plan.facts[name] for name in counts) == 3 * 8
    assert plan.facts["tied"] >= 2 * 8 - plan.facts["identical"]
    drawer = drawing_bench.drawer(fresh, judge=Decided(opinion(1.0, 0.0)))
    prompts = [drawing_bench.rows[place] for place in plan._drawn[0]]
    draws = [drawer.draw(prompts, 0, attempt) for attempt in range(3)]
    assert [row.texts for row in plan.rows.values()] == [row.texts for row in draws[2].rows]
    assert [row.texts for row in draws[0].rows] != [row.texts for row in draws[2].rows]
    assert plan.tokens["sampled"] == sum(int(draw.facts["sampled_tokens"]) for draw in draws)
    for name in ("response_tokens", "finished"):
        assert plan.facts[name] == pytest.approx(np.mean([draw.facts[name] for draw in draws]))
    resumed = Rounds(drawing_bench.drawer(fresh, judge=hesitant), drawing_bench.rows, 2, 4, tmp_path / "rounds")
    assert (list(resumed), resumed.tokens) == (plan.batches, plan.tokens)
    assert hesitant.asked == 3


def test_rows_of_earlier_rounds_spare_a_round_that_is_all_tied(drawing_bench, tmp_path):
    settled = Hesitant(opinion(0.0, 0.0), opens=1)
    drawer = drawing_bench.drawer(rounds(rounds_replayed=-1), judge=Decided(opinion(1.0, 0.0)))
    plan = Rounds(drawer, drawing_bench.rows, 2, 4, tmp_path / "rounds")
    first = plan[0]
    plan._drawer = drawing_bench.drawer(rounds(rounds_replayed=-1), judge=settled)
    assert set(plan[1]) == set(first)
    assert settled.asked == 1


def test_prompts_come_up_once_an_epoch_and_in_another_order_the_next():
    plan = plan_prompts(10, 3, 7, seed=3)
    for epoch in (plan[:3], plan[3:6]):
        taken = [index for drawn in epoch for index in drawn]
        assert len(set(taken)) == len(taken) == 9
    assert plan[:3] != plan[3:6]
    assert plan == plan_prompts(10, 3, 7, seed=3) != plan_prompts(10, 3, 7, seed=4)
    with pytest.raises(UserError, match="a round wants 11 prompts and there are 10"):
        plan_prompts(10, 11, 1, seed=0)


def test_a_plan_has_an_end(drawing_bench, tmp_path):
    plan = Rounds(drawing_bench.drawer(), drawing_bench.rows, TRAINING.max_steps, 4, tmp_path / "rounds")
    for step in (-1, TRAINING.max_steps):
        with pytest.raises(IndexError):
            plan[step]
    assert list(plan) == plan[:] == plan.batches
