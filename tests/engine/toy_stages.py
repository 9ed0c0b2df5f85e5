"""Real stages, small enough to be killed often: used by the engine's tests."""

import os
import signal
from pathlib import Path

import torch

from tasks.engine.checkpoint import restore_checkpoint, save_checkpoint
from tasks.engine.refs import Checkpoint, DatasetRef
from tasks.engine.schema import Frozen, UserError
from tasks.engine.stage import stage
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker


class Toy(Frozen):
    steps: int = 20
    kill_at: int = -1
    """Send SIGKILL to this very process before this step, once."""


@stage()
def write_rows(count: int) -> DatasetRef:
    def fill(folder: Path) -> None:
        (folder / "rows.txt").write_text("\n".join(map(str, range(count))))

    return Store().write(DatasetRef, fill, name="toy", rows=count)


@stage()
def fit_line(rows: DatasetRef, toy: Toy) -> Checkpoint:
    tracker = current_tracker()
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    folder = tracker.work / "checkpoints"
    found = restore_checkpoint(folder, model, optimizer, scheduler)
    marker = tracker.work / "killed"
    for step in range(found.step if found else 0, toy.steps):
        if step == toy.kill_at and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        loss = model(torch.randn(8, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        tracker.metrics({"train/loss": loss.item()}, step)
        tracker.progress(step + 1, toy.steps)
        save_checkpoint(folder, step + 1, model, optimizer, scheduler, {})

    def fill(target: Path) -> None:
        from safetensors.torch import save_file

        save_file(model.state_dict(), target / "model.safetensors")

    return Store().write(Checkpoint, fill, parameters=5)


@stage()
def refuse(reason: str) -> DatasetRef:
    raise UserError(reason)


@stage()
def stumble(reason: str) -> DatasetRef:
    raise ArithmeticError(reason)
