"""The training loop: resumes exactly, splits batches without changing gradients, stops on NaN."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tasks.engine.spool import read_events
from tasks.engine.tracking import Tracker
from tasks.policy.loop import NonFiniteLoss, rate, snapshots_at, train
from tasks.policy.optimisation import Optimisation

DATA = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
PLAN = [list(range(start, start + 8)) for start in range(0, 64, 8)] * 3


class Killed(Exception):
    """Stands for the process's end at a chosen step."""


def new_module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))


def mean_square(module: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, dict[str, Tensor]]:
    loss = (module(DATA[rows]) - 1.0).square().mean()
    return loss, {"half": loss.detach() / 2}


def run(folder: Path, settings: Optimisation, loss_of=mean_square) -> nn.Module:
    tracker = Tracker(folder / "run.jsonl", folder)
    module = new_module()
    train(module, PLAN, loss_of, settings, tracker)
    return module


def weights(module: nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in module.parameters()])


SETTINGS = Optimisation(learning_rate=0.05, batch_size=8, warmup_steps=3, schedule="cosine", checkpoint_every_steps=4)


@pytest.mark.parametrize("killed_at", [1, 5, 13, 23])
def test_interrupted_equals_uninterrupted_bit_for_bit(tmp_path, killed_at):
    whole = run(tmp_path / "whole", SETTINGS)
    calls = 0

    def killing(module, rows, batch):
        nonlocal calls
        calls += 1
        if calls == killed_at + 1:
            raise Killed
        return mean_square(module, rows, batch)

    with pytest.raises(Killed):
        run(tmp_path / "killed", SETTINGS, killing)
    torch.manual_seed(1234)
    resumed = run(tmp_path / "killed", SETTINGS)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_resumed_run_tells_its_whole_history(tmp_path):
    calls = 0

    def killing(module, rows, batch):
        nonlocal calls
        calls += 1
        if calls == 14:
            raise Killed
        return mean_square(module, rows, batch)

    with pytest.raises(Killed):
        run(tmp_path, SETTINGS, killing)
    (tmp_path / "run.jsonl").unlink()
    run(tmp_path, SETTINGS)
    steps = [event["step"] for event, _ in read_events(tmp_path / "run.jsonl") if event["event"] == "metrics"]
    assert steps == list(range(1, len(PLAN) + 1))


@pytest.mark.parametrize("micro_batch_size", [1, 3, 8])
def test_micro_batches_leave_the_weights_alone(tmp_path, micro_batch_size):
    still = Optimisation(learning_rate=0.05, batch_size=8, warmup_steps=0, optimizer="rmsprop")

    def without_dropout(module, rows, batch):
        module.eval()
        return mean_square(module, rows, batch)

    whole = run(tmp_path / "a", still, without_dropout)
    split = still.model_copy(update={"micro_batch_size": micro_batch_size})
    parts = run(tmp_path / "b", split, without_dropout)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-4)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path):
    calls = 0

    def exploding(module, rows, batch):
        nonlocal calls
        calls += 1
        loss, metrics = mean_square(module, rows, batch)
        return (loss * math.inf if calls == 7 else loss), metrics

    with pytest.raises(NonFiniteLoss, match=r"step 7 with learning_rate 0\.05"):
        run(tmp_path, SETTINGS, exploding)
    kept = tmp_path / "checkpoints" / "step-00000004" / "state.json"
    assert json.loads(kept.read_text())["step"] == 4


def test_no_trainable_parameter_is_an_error(tmp_path):
    module = new_module().requires_grad_(False)
    with pytest.raises(ValueError, match="frozen reference"):
        train(module, PLAN, mean_square, SETTINGS, Tracker(tmp_path / "run.jsonl", tmp_path))


def test_rate_warms_up_and_decays_to_the_final_share():
    cosine = Optimisation(warmup_steps=10, schedule="cosine", final_rate=0.05)
    assert [round(rate(step, cosine, 110), 3) for step in (0, 4, 9, 10, 60)] == [0.1, 0.5, 1.0, 1.0, 0.525]
    assert rate(110, cosine, 110) == pytest.approx(0.05)
    constant = Optimisation(warmup_steps=0, schedule="constant")
    assert {rate(step, constant, 50) for step in range(50)} == {1.0}


@pytest.mark.parametrize(("steps", "count", "expected"), [(100, 4, [25, 50, 75, 100]), (3, 4, [1, 2, 3]), (1, 4, [1])])
def test_snapshots_are_spread_evenly_and_end_with_the_last_step(steps, count, expected):
    assert snapshots_at(steps, count) == expected
