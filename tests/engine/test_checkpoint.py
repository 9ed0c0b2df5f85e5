"""Training state: an interrupted run ends in the same bits as one that ran through."""

import shutil
from pathlib import Path

import pytest
import torch
from dying import kill_at_each
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from tasks.engine.checkpoint import discard_checkpoints, is_whole, restore_checkpoint, save_checkpoint

STEPS = 8
FILES = ["model.safetensors", "optimizer.safetensors", "rng.safetensors", "state.json", "manifest.json"]


class Training:
    """A small run that draws its batches and its dropout from torch's global generator."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(3)
        self.folder = folder
        self.model = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.2), nn.Tanh(), nn.Linear(16, 1))
        self.model[0].bias.requires_grad = False
        self.optimizer = AdamW(self.model.parameters(), lr=0.05)
        self.scheduler = LambdaLR(self.optimizer, lambda step: min(1.0, (step + 1) / 4))
        found = restore_checkpoint(folder, self.model, self.optimizer, self.scheduler)
        self.done = found.step if found else 0
        self.seen = found.extra["seen"] if found else []

    def step(self) -> None:
        batch = torch.randn(4, 6)
        self.optimizer.zero_grad()
        self.model(batch).square().mean().backward()
        self.optimizer.step()
        self.scheduler.step()
        self.done += 1
        self.seen = [*self.seen, float(batch[0, 0])]

    def save(self) -> None:
        save_checkpoint(self.folder, self.done, self.model, self.optimizer, self.scheduler, {"seen": self.seen})

    def run(self, until: int = STEPS) -> "Training":
        while self.done < until:
            self.step()
            self.save()
        return self

    def weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def assert_same(one: Training, other: Training) -> None:
    assert (one.done, one.seen) == (other.done, other.seen)
    for name, value in one.weights().items():
        assert torch.equal(value, other.weights()[name]), name


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Training:
    return Training(tmp_path_factory.mktemp("uninterrupted")).run()


def steps_kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("step-*"))


@settings(max_examples=15, deadline=None)
@given(stops=st.lists(st.integers(0, STEPS), max_size=3))
def test_interrupted_any_number_of_times_ends_in_the_same_bits(uninterrupted, tmp_path_factory, stops):
    folder = tmp_path_factory.mktemp("interrupted")
    for stop in sorted(stops):
        Training(folder).run(stop)
        torch.randn(5)
    assert_same(Training(folder).run(), uninterrupted)


def test_steps_after_the_last_checkpoint_are_repeated_as_they_were(uninterrupted, tmp_path):
    training = Training(tmp_path).run(3)
    training.step()
    assert_same(Training(tmp_path).run(), uninterrupted)


def test_the_last_two_are_kept(tmp_path):
    Training(tmp_path).run()
    assert steps_kept(tmp_path) == [f"step-{step:08d}" for step in (STEPS - 1, STEPS)]


def test_an_empty_folder_restores_nothing(tmp_path):
    training = Training(tmp_path)
    assert training.done == 0
    before = training.weights()
    assert restore_checkpoint(tmp_path / "none", training.model, training.optimizer, training.scheduler) is None
    assert all(torch.equal(value, before[name]) for name, value in training.weights().items())


@pytest.mark.parametrize("damage", ["truncated", "removed", "flipped"])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(uninterrupted, tmp_path, file, damage):
    Training(tmp_path).run(5)
    path = tmp_path / "step-00000005" / file
    content = path.read_bytes()
    flipped = content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
    damaged = {"truncated": content[: len(content) // 2], "flipped": flipped}
    path.unlink()
    if damage in damaged:
        path.write_bytes(damaged[damage])
    assert not is_whole(path.parent)
    resumed = Training(tmp_path)
    assert resumed.done == 4
    assert_same(resumed.run(), uninterrupted)


def test_with_no_whole_checkpoint_it_starts_over(uninterrupted, tmp_path):
    Training(tmp_path).run(3)
    for path in tmp_path.glob("step-*/state.json"):
        path.write_bytes(b"")
    resumed = Training(tmp_path)
    assert resumed.done == 0
    assert_same(resumed.run(), uninterrupted)


def test_killed_at_any_file_operation_of_a_save(uninterrupted, tmp_path):
    start = tmp_path / "start"
    training = Training(start).run(3)
    training.step()
    folder = tmp_path / "doomed"
    shutil.copytree(start, folder)
    training.folder = folder
    restored = []

    def resume() -> None:
        resumed = Training(folder)
        restored.append(resumed.done)
        assert_same(resumed.run(4), training)
        shutil.rmtree(folder)
        shutil.copytree(start, folder)

    deaths = kill_at_each(training.save, resume)
    assert deaths > 20
    assert set(restored) == {3, 4}
    assert steps_kept(folder) == ["step-00000003", "step-00000004"]


def test_discarding_leaves_nothing(tmp_path):
    folder = tmp_path / "checkpoints"
    Training(folder).run(2)
    discard_checkpoints(folder)
    discard_checkpoints(folder)
    assert not folder.exists()
