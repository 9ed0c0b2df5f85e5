"""Recorded streams gone through again: in their order the same bits, in another order other ones (E3 to E5)."""

from collections import Counter

import pytest
import torch
from freshly import TRAINING, rounds
from hypothesis import given
from hypothesis import strategies as st
from reinforced import MODEL

from tasks.engine.schema import UserError
from tasks.policy.fresh.choices import RankedPairs
from tasks.policy.fresh.replay import reordered
from tasks.policy.fresh.settings import Replayed
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.vpo import VPO

SEVERAL = rounds(refresh_every_steps=2, per_prompt=4, choice=RankedPairs(), rounds_replayed=1)


def losses(left) -> list[float]:
    return left.column("train/loss")


@pytest.mark.parametrize("fresh", [rounds(), SEVERAL], ids=["online", "rounds"])
def test_in_recorded_order_the_weights_and_losses_are_those_of_the_run(fresh_bench, fresh):
    ran = fresh_bench.run(fresh)
    again = fresh_bench.replay(ran, Replayed())
    assert again.digests == ran.digests
    assert losses(again) == losses(ran)
    assert len(losses(ran)) == TRAINING.max_steps
    assert again.column("cost/tokens") == ran.column("cost/tokens")


def test_in_another_order_they_are_not(fresh_bench):
    ran = fresh_bench.run()
    shuffled = [
        fresh_bench.replay(ran, Replayed(order="blocks", block_batches=2)),
        fresh_bench.replay(ran, Replayed(order="uniform")),
    ]
    assert len({tuple(one.digests) for one in [ran, *shuffled]}) == 3
    alone = fresh_bench.replay(ran, Replayed(order="blocks", block_batches=1), seed=5)
    assert losses(alone) == pytest.approx(losses(ran), rel=1e-4)


def test_a_replay_may_take_fewer_steps_or_more_passes(fresh_bench):
    ran = fresh_bench.run()
    few = fresh_bench.replay(ran, Replayed(), TRAINING.model_copy(update={"max_steps": 3}))
    assert losses(few) == losses(ran)[:3]
    twice = fresh_bench.replay(ran, Replayed(passes=2), TRAINING.model_copy(update={"max_steps": 0}))
    assert len(losses(twice)) == 2 * TRAINING.max_steps
    assert losses(twice)[: TRAINING.max_steps] == losses(ran)


def test_another_objective_may_learn_from_the_same_stream(fresh_bench):
    ran = fresh_bench.run()
    assert fresh_bench.replay(ran, Replayed(), objective=DPO()).digests != ran.digests


def test_what_was_not_recorded_is_asked_for_in_vain(fresh_bench):
    ran = fresh_bench.run()
    with pytest.raises(UserError, match="reads scores of previous and these pairs were recorded with behaviour, refer"):
        fresh_bench.replay(ran, Replayed(), objective=INPO())
    with pytest.raises(UserError, match="does not take rows of 2 responses, 2 of them compared"):
        fresh_bench.replay(ran, Replayed(), objective=VPO())


def test_a_stream_holds_what_was_learned_from(fresh_bench):
    ran = fresh_bench.run(SEVERAL)
    stream = ran.stream()
    assert ran.run.stream.rows == len(stream.rows)
    assert ran.run.stream.steps == len(stream.plan) == TRAINING.max_steps
    assert {place for batch in stream.plan for place in batch} <= set(range(len(stream.rows)))
    assert not (fresh_bench.folder / "run-1" / "work" / "rounds").exists()


def test_adapters_start_alike_in_a_run_and_its_replay(fresh_bench):
    """Whatever random numbers the process has drawn before."""
    model = MODEL.model_copy(update={"lora_rank": 2})
    ran = fresh_bench.run(model=model)
    torch.manual_seed(1234)
    assert fresh_bench.replay(ran, Replayed(), model=model).digests == ran.digests


PLANS = st.lists(st.integers(1, 5), min_size=1, max_size=9)


def plan_of(sizes: list[int]) -> list[list[int]]:
    firsts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [list(range(first, first + size)) for first, size in zip(firsts, sizes, strict=True)]


@given(PLANS, st.sampled_from(["recorded", "blocks", "uniform"]), st.integers(1, 10), st.integers(1, 3), st.integers())
def test_shuffling_keeps_rows_and_the_sizes_of_batches(sizes, order, block, passes, seed):
    plan, replayed = plan_of(sizes), Replayed(order=order, block_batches=block, passes=passes)
    found = reordered(plan, replayed, abs(seed))
    assert [len(batch) for batch in found] == sizes * passes
    assert Counter(place for batch in found for place in batch) == Counter(dict.fromkeys(range(sum(sizes)), passes))
    for number in range(passes):
        one = found[number * len(plan) : (number + 1) * len(plan)]
        assert sorted(place for batch in one for place in batch) == list(range(sum(sizes)))
        if order == "recorded":
            assert one == plan
        if order == "blocks":
            for start in range(0, len(plan), block):
                there = {place for batch in one[start : start + block] for place in batch}
                assert there == {place for batch in plan[start : start + block] for place in batch}
    assert found == reordered(plan, replayed, abs(seed))


def test_every_pass_is_shuffled_anew():
    found = reordered(plan_of([5] * 8), Replayed(order="uniform", passes=2), seed=0)
    assert found[:8] != found[8:]
