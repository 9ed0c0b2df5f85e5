"""What ends a run of the policy-gradient loop: SIGKILL, and numbers or reward functions that fail."""

import math

import pytest
from dying_run import Job, Moment, meet_fates
from reinforced import SHORT, Ran, answered_prompts, base_policy, changed, iterations_logged, reward_model

from tasks.data.tables import store_rows
from tasks.policy.loop import NonFiniteLoss
from tasks.policy.policy_gradient import PolicyGradient, ValueModel
from tasks.policy.reward_step import RewardFailed
from tasks.policy.steps.advantages import RunningBaseline
from tasks.policy.steps.clipped_policy import ClippedSurrogate
from tasks.policy.steps.filters import RandomSubset
from tasks.policy.steps.kl_control import AdaptiveKL
from tasks.policy.steps.running_statistics import MeanStd, MinMax
from tasks.policy.steps.starts import DatasetReset
from tasks.policy.steps.termination_rules import RandomNGram
from tasks.reward.sources import FittedReward, GoldReward

LONG = changed(SHORT, iterations=12, inner_epochs=2, minibatches=2, checkpoint_every_steps=2, snapshots=2)
STEERED = AdaptiveKL(horizon=50, target=0.01)
PAR_BUFFER = PolicyGradient(
    per_prompt=2, buffer_batches=2, shaping=MinMax(), kl=STEERED, advantage=RunningBaseline(memory=0.9)
)
EVERYTHING = PolicyGradient(
    per_prompt=4, buffer_batches=3, shaping=MeanStd(), kl=STEERED, start=DatasetReset(share=0.5),
    filter=RandomSubset(keep_per_group=2), actions=RandomNGram(lengths=(1, 2)), value=ValueModel(trunk="own"),
    policy_loss=ClippedSurrogate(entropy_coefficient=0.01),
)  # fmt: skip
DEATHS = {
    "in a rollout": Moment(file="models/sampling.py", function="draw_tokens", call=35),
    "in an update": Moment(file="policy/update.py", function="losses", call=10),
    "while a checkpoint is written": Moment(file="engine/checkpoint.py", function="_rng_states", call=2),
    "before a checkpoint gets its name": Moment(file="engine/files.py", function="fsync_tree", call=1),
    "while a snapshot is stored": Moment(file="models/loading.py", function="save_model", call=1),
}


def test_killed_at_every_kind_of_moment_it_ends_in_the_same_bits(bench):
    jobs = [
        Job(
            folder=bench.folder / name, start=bench.base, prompts=bench.prompts, method=method, training=LONG,
            deaths=list(DEATHS.values()),
        )
        for name, method in (("par-buffer", PAR_BUFFER), ("everything", EVERYTHING))
    ]  # fmt: skip
    for job, fate in zip(jobs, meet_fates(jobs, bench.folder / "output.txt"), strict=True):
        assert fate.statuses == [-9] * len(DEATHS) + [0]
        newest = [[name for name in kept if name.startswith("step")][-1:] for kept in fate.checkpoints]
        assert newest == [[f"step-{step:08d}"] for step in (2, 4, 6, 6, 10)] + [[]]
        torn = [any(name.startswith(".new") for name in kept) for kept in fate.checkpoints]
        assert torn == [False, False, True, True, False, False]
        whole = bench.run(job.method, LONG)
        assert [one.digest for one in fate.series.checkpoints] == [one.digest for one in whole.series.checkpoints]
        assert timeless(Ran(fate.series, job.folder / f"attempt-{len(DEATHS)}.jsonl")) == timeless(whole)


def timeless(ran: Ran) -> list[dict[str, float]]:
    """What was logged, without what it cost."""
    return [{name: value for name, value in one.items() if not name.startswith("cost/")} for one in ran.logged]


def test_a_reward_model_with_nan_weights_names_prompt_and_iteration(bench):
    broken = reward_model(bench.base, fill=math.nan)
    with pytest.raises(RewardFailed, match=r"^iteration 1: reward is nan for prompt \w+, .*NaN weights") as raised:
        bench.run(PolicyGradient(), source=FittedReward(), fitted=[broken])
    assert any(row["prompt_id"] in str(raised.value) for row in bench.rows)
    assert not iterations_logged(bench.folder / "run-1" / "run.jsonl")


def test_a_reward_function_that_raises_names_prompt_and_iteration(bench):
    """The last prompt is none of the tiny world's: it comes up in a later iteration."""
    strange = [*answered_prompts(15), answered_prompts(1)[0] | {"family": "poems", "prompt_id": "ode"}]
    with pytest.raises(RewardFailed, match=r"^iteration [12]: reward function raised .* for prompt ode, response"):
        bench.run(PolicyGradient(), source=GoldReward(), prompts=store_rows(strange, "strange"))


def test_a_policy_with_nan_weights_ends_in_an_error_that_says_so(bench):
    with pytest.raises(NonFiniteLoss, match=r"^iteration 1: train/loss became nan with learning_rate 0\.003"):
        bench.run(PolicyGradient(), start=base_policy(fill=math.nan))
