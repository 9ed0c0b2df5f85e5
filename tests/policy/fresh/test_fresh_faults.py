"""What ends a run on fresh pairs: SIGKILL at every kind of moment, and numbers that are none."""

import math

import pytest
from dying_fresh_run import FreshJob, meet_fresh_fates
from dying_run import Moment
from freshly import TRAINING, metrics_in, rounds
from reinforced import base_policy, reward_model

from tasks.engine.schema import UserError
from tasks.models.decoding import Decoding
from tasks.policy.fresh.choices import BestWorst
from tasks.policy.fresh.labellers import RewardLabels
from tasks.policy.loop import NonFiniteLoss
from tasks.policy.objectives.inpo import INPO
from tasks.reward.sources import FittedReward

LONG = TRAINING.model_copy(update={"max_steps": 12, "checkpoint_every_steps": 2})
ONLINE = rounds(decoding=Decoding(max_new_tokens=4))
ITERATIVE = rounds(
    refresh_every_steps=3,
    per_prompt=4,
    choice=BestWorst(),
    rounds_replayed=1,
    reference="moving",
    behaviour="mixed",
    decoding=Decoding(max_new_tokens=4),
)
DEATHS = [
    Moment(file="models/sampling.py", function="draw_tokens", call=3),
    Moment(file="policy/fresh/row.py", function="loss_on", call=4),
    Moment(file="engine/checkpoint.py", function="_rng_states", call=2),
    Moment(file="policy/fresh/row.py", function="_flat", call=3),
    Moment(file="engine/files.py", function="write_json", call=1),
    Moment(file="models/loading.py", function="save_model", call=1),
    Moment(file="policy/fresh/storing.py", function="store_stream", call=1),
]
"""While sampling, in an update, while a checkpoint is written, while a round is written, between a round's rows and
its facts, while a snapshot is stored, before the stream is."""


def test_killed_at_every_kind_of_moment_it_ends_in_the_same_bits_and_pairs(fresh_bench):
    jobs = [
        FreshJob(
            folder=fresh_bench.folder / name, start=fresh_bench.base, prompts=fresh_bench.prompts, fresh=fresh,
            training=LONG, deaths=DEATHS,
        )
        for name, fresh in (("online", ONLINE), ("iterative", ITERATIVE))
    ]  # fmt: skip
    for job, fate in zip(jobs, meet_fresh_fates(jobs, fresh_bench.folder / "output.txt"), strict=True):
        assert fate.statuses == [-9] * len(DEATHS) + [0]
        whole = fresh_bench.run(job.fresh, LONG, objective=INPO())
        assert [one.digest for one in fate.run.series.checkpoints] == whole.digests
        assert fate.run.stream.digest == whole.run.stream.digest
        assert metrics_in(job.folder / f"attempt-{len(DEATHS)}.jsonl") == whole.logged
        assert any(len(names) % 2 for names in fate.rounds), "no death left a round without its facts"
        assert len({tuple(names) for names in fate.checkpoints}) > 2
        assert fate.rounds[-1] == fate.checkpoints[-1] == []


def test_a_reward_model_with_nan_weights_names_the_prompt(fresh_bench):
    broken = reward_model(fresh_bench.base, fill=math.nan)
    with pytest.raises(UserError, match=r"reward is nan for prompt \w+, .*NaN weights") as raised:
        fresh_bench.run(labeller=RewardLabels(source=FittedReward()), fitted=[broken])
    assert any(row["prompt_id"] in str(raised.value) for row in fresh_bench.rows)


def test_a_loss_that_is_not_finite_says_so(fresh_bench):
    nowhere = base_policy(fill=math.nan)
    with pytest.raises(NonFiniteLoss, match=r"train/loss became nan at step 1 with learning_rate 0\.003"):
        fresh_bench.run(rounds(behaviour="start"), reference=nowhere)
