"""Training on fresh pairs: it learns, it is exact, it says what it costs, and it refuses what does not fit."""

import math
from itertools import pairwise
from statistics import mean

import pytest
import torch
from freshly import BY_DENSE, TRAINING, rounds
from reinforced import MODEL, base_policy, reward_model

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric, metric_range
from tasks.models.decoding import Decoding
from tasks.models.opening import open_frozen
from tasks.models.reference import score_groups
from tasks.policy.fresh.choices import BestWorst, RankedPairs, WholeGroup
from tasks.policy.fresh.labellers import ImplicitLabels, PairwiseLabels, RewardLabels
from tasks.policy.fresh.row import tokens_of
from tasks.policy.objectives.brain import BRAIn
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.spce import SPCE
from tasks.policy.objectives.sppo import SPPO
from tasks.policy.objectives.vpo import VPO
from tasks.reward.sources import GoldReward

EVERYTHING = rounds(
    refresh_every_steps=2, per_prompt=4, behaviour="mixed", temperatures=[1.0, 0.7], choice=RankedPairs(),
    rounds_replayed=1, reference="moving",
)  # fmt: skip


def changed(**values):
    return TRAINING.model_copy(update=values)


@pytest.mark.parametrize(("refresh", "passes"), [(1, 1), (4, 2)], ids=["online", "iterative"])
def test_it_raises_the_gold_reward(fresh_bench, refresh, passes):
    """DPO labelled by the true reward, from an untrained policy."""
    ran = fresh_bench.run(
        rounds(
            refresh_every_steps=refresh, passes=passes, per_prompt=4, choice=BestWorst(),
            decoding=Decoding(max_new_tokens=8),
        ),
        changed(max_steps=28, batch_size=32, learning_rate=5e-3),
        objective=DPO(beta=0.1),
        labeller=RewardLabels(source=GoldReward()),
    )  # fmt: skip
    gold = ran.column("train/round/gold_reward")
    assert mean(gold[-4:]) > mean(gold[:4]) + 0.25
    assert set(ran.column("train/round/labels_agree_with_gold")) == {1.0}


@pytest.mark.parametrize("fresh", [rounds(), EVERYTHING], ids=["online", "everything"])
def test_the_same_seed_gives_the_same_weights_and_pairs(fresh_bench, fresh):
    ran, again, other = (fresh_bench.run(fresh, seed=seed) for seed in (0, 0, 1))
    assert ran.digests == again.digests
    assert ran.run.stream.digest == again.run.stream.digest != other.run.stream.digest
    assert ran.logged == again.logged
    assert ran.series.steps == [3, 6]


def test_micro_batches_change_neither_step_nor_pairs(fresh_bench):
    whole = fresh_bench.run(training=changed(max_steps=3, learning_rate=1e-3))
    parts = fresh_bench.run(training=changed(max_steps=3, learning_rate=1e-3, micro_batch_size=3))
    assert parts.column("train/loss") == pytest.approx(whole.column("train/loss"), rel=1e-4)
    assert [row.texts for row in parts.stream().rows] == [row.texts for row in whole.stream().rows]
    for name, weight in whole.weights().items():
        torch.testing.assert_close(parts.weights()[name], weight, atol=2e-4, rtol=1e-3)


def test_rows_carry_the_scores_of_the_policy_as_its_round_begins(fresh_bench):
    """``previous`` moves with the policy, ``reference`` does only where it is asked to."""
    training = changed(max_steps=4, snapshots=4)
    for reference in ("fixed", "moving"):
        fresh = rounds(refresh_every_steps=2, reference=reference)
        ran = fresh_bench.run(fresh, training, objective=INPO())
        stream = ran.stream()
        begun = {0: fresh_bench.base, 1: ran.series.checkpoints[1]}
        for number, checkpoint in begun.items():
            places = sorted({place for batch in stream.plan[2 * number : 2 * number + 2] for place in batch})
            rows = [stream.rows[place] for place in places]
            expected = score_groups(open_frozen(checkpoint, MODEL)[0], [row.group for row in rows])
            start = score_groups(open_frozen(fresh_bench.base, MODEL)[0], [row.group for row in rows])
            assert [row.anchors["previous"] for row in rows] == [pytest.approx(one, abs=1e-4) for one in expected]
            held = expected if reference == "moving" else start
            assert [row.anchors["reference"] for row in rows] == [pytest.approx(one, abs=1e-4) for one in held]
            assert [row.anchors["behaviour"] for row in rows] == [pytest.approx(one, abs=1e-3) for one in expected]


def test_the_start_policy_samples_the_same_pairs_whatever_is_learned(fresh_bench):
    offline = rounds(refresh_every_steps=1, behaviour="start")
    slow = fresh_bench.run(offline, changed(learning_rate=1e-5)).stream()
    fast = fresh_bench.run(offline, changed(learning_rate=1e-2)).stream()
    assert [row.texts for row in slow.rows] == [row.texts for row in fast.rows]
    online = fresh_bench.run(rounds(), changed(learning_rate=1e-2)).stream()
    count = len(slow.plan[0])
    assert [row.texts for row in online.rows[:count]] == [row.texts for row in fast.rows[:count]]
    assert [row.texts for row in online.rows] != [row.texts for row in fast.rows]


def test_online_and_offline_differ_in_where_pairs_come_from_alone(fresh_bench):
    """A round as long as the run is the same whoever of the two policies samples: they are the same policy then."""
    whole = {"refresh_every_steps": TRAINING.max_steps}
    by_current = fresh_bench.run(rounds(**whole))
    by_start = fresh_bench.run(rounds(**whole, behaviour="start"))
    assert by_current.digests == by_start.digests
    assert by_current.run.stream.digest == by_start.run.stream.digest


@pytest.mark.parametrize("behaviour", ["current", "start", "mixed"])
def test_adapters_are_trained_and_the_start_policy_has_none(fresh_bench, behaviour):
    model = MODEL.model_copy(update={"lora_rank": 4})
    ran = fresh_bench.run(
        rounds(behaviour=behaviour), model=model, objective=INPO(), training=changed(learning_rate=1e-2)
    )
    assert (
        ran.digests
        == fresh_bench.run(
            rounds(behaviour=behaviour), model=model, objective=INPO(), training=changed(learning_rate=1e-2)
        ).digests
    )
    assert fresh_bench.base.digest not in ran.digests
    rows = ran.stream().rows
    start = score_groups(open_frozen(fresh_bench.base, MODEL)[0], [row.group for row in rows])
    assert [row.anchors["reference"] for row in rows] == [pytest.approx(one, abs=1e-4) for one in start]
    by_start = [row.anchors["behaviour"] == pytest.approx(one, abs=1e-3) for row, one in zip(rows, start, strict=True)]
    assert all(by_start) == (behaviour == "start")


@pytest.mark.parametrize(
    ("objective", "fresh"),
    [
        (IPO(), rounds()),
        (SPCE(), EVERYTHING),
        (VPO(), rounds(calibration=True)),
        (BRAIn(), rounds(per_prompt=4, choice=WholeGroup())),
        (SPPO(), rounds(per_prompt=4, choice=WholeGroup())),
    ],
    ids=["pairs", "everything", "calibration", "whole group", "win rates"],
)  # fmt: skip
def test_every_metric_is_registered_and_in_its_range(fresh_bench, objective, fresh):
    ran = fresh_bench.run(fresh, objective=objective)
    for values in ran.logged:
        for name, value in values.items():
            if name.split("/")[1] not in ("vpo", "sppo", "brain"):
                assert find_metric(name), name
            lowest, highest = metric_range(name)
            assert math.isfinite(value), name
            assert lowest - 1e-6 <= value <= highest + 1e-6, name
    counts = {"pairs", "tied", "identical", "dropped", "sampled_tokens", "gold_reward", "strength"}
    step = next(values for values in ran.logged if "train/loss" in values)
    assert {f"train/round/{name}" for name in counts} <= step.keys()


def test_costs_are_what_was_trained_on_and_what_was_sampled(fresh_bench):
    ran = fresh_bench.run()
    stream = ran.stream()
    trained = sum(tokens_of(stream.rows[place].group) for batch in stream.plan for place in batch)
    assert ran.column("cost/tokens") == [trained]
    assert ran.column("cost/sampled_tokens") == [sum(ran.column("train/round/sampled_tokens"))]
    per_round = mean(ran.column("train/round/response_tokens")) * 2 * TRAINING.batch_size
    assert ran.column("cost/sampled_tokens")[0] == pytest.approx(per_round * TRAINING.max_steps, rel=1e-5)


def test_the_policy_is_left_in_training_mode_and_sampling_leaves_no_gradient(fresh_bench):
    """Also where the layers are checkpointed, which keep no cache while they train."""
    model = MODEL.model_copy(update={"gradient_checkpointing": True})
    plain, checkpointed = (fresh_bench.run(objective=INPO(), model=one) for one in (MODEL, model))
    assert [row.texts for row in plain.stream().rows] == [row.texts for row in checkpointed.stream().rows]
    assert checkpointed.column("train/loss") == pytest.approx(plain.column("train/loss"), rel=1e-4)
    drawer = fresh_bench.drawer(anchors=("reference", "previous"))
    policy = drawer.models["current"].train()
    drawer.draw(fresh_bench.rows[:4], 0)
    assert policy.training
    assert all(weight.grad is None for weight in policy.parameters())


def test_a_shuffled_reading_of_rounds_is_not_needed_to_use_every_prompt(fresh_bench):
    """48 prompt draws of 64: nobody comes up twice within an epoch."""
    names = [row.row["prompt_id"] for row in fresh_bench.run().stream().rows]
    assert len(names) == len(set(names))
    assert all(one != other for one, other in pairwise(names))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": changed(max_steps=0)}, "training.max_steps 0: fresh pairs do not end by themselves"),
        ({"fresh": rounds(refresh_every_steps=9)}, "a round wants 72 prompts and there are 64"),
        ({"labeller": PairwiseLabels()}, "labeller pairwise wants one pairwise judge, 0 models"),
        ({"labeller": RewardLabels()}, "reward model"),
        ({"labeller": RewardLabels(source=GoldReward(label_by="gold")), "many": 1}, "reads no fitted reward model"),
        ({"labeller": ImplicitLabels()}, "labeller implicit reads .* which is 0 where the policy is its own reference"),
        ({"objective": VPO()}, "does not take rows of 2 responses, 2 of them compared .* choose per_prompt, choice"),
        ({"fresh": rounds(calibration=True)}, "does not take rows of 3 responses, 2 of them compared"),
        ({"fresh": rounds(per_prompt=4, choice=WholeGroup())}, "does not take rows of 4 responses"),
        (
            {"objective": BRAIn(), "fresh": rounds(per_prompt=4, choice=WholeGroup(), temperatures=[0.7])},
            "which are those of temperature 1 without top_p",
        ),
        (
            {"objective": BRAIn(), "fresh": rounds(decoding=Decoding(max_new_tokens=4, top_p=0.9))},
            "which are those of temperature 1 without top_p",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_said_before_anything_is_sampled(fresh_bench, changes, message):
    many = changes.get("many", 0)
    given = {name: value for name, value in changes.items() if name != "many"}
    with pytest.raises(UserError, match=message):
        fresh_bench.run(**given, fitted=[reward_model(fresh_bench.base) for _ in range(many)])
    assert not list(fresh_bench.folder.glob("run-1/work/rounds/*"))


def test_the_policys_own_opinion_needs_a_policy_that_has_one(fresh_bench):
    trained = fresh_bench.run(labeller=BY_DENSE).series.final
    ran = fresh_bench.run(labeller=ImplicitLabels(), start=trained)
    assert ran.column("train/round/tied") == [0.0] * TRAINING.max_steps
    with pytest.raises(UserError, match="with reference fixed"):
        fresh_bench.run(rounds(reference="moving"), labeller=ImplicitLabels(), start=base_policy(seed=2))
