"""Real stages, small enough to be killed often: used by the engine's tests."""

import os
import signal
from pathlib import Path

import torch
from safetensors.torch import save_file
from waiting import until

from tasks.engine.checkpoint import restore_checkpoint, save_checkpoint
from tasks.engine.refs import Checkpoint, DatasetRef
from tasks.engine.schema import Frozen, UserError
from tasks.engine.stage import stage
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker


class Toy(Frozen):
    """How ``fit_line`` trains, and what happens to it on the way; the weights depend on ``steps`` alone."""

    steps: int = 20
    kill_at: int = -1
    """Send SIGKILL to this very process before this step, once."""
    hold_at: int = -1
    """Before this step, write the process id to ``holding`` in the work folder and wait for the file ``go``."""


@stage()
def write_rows(count: int) -> DatasetRef:
    def fill(folder: Path) -> None:
        (folder / "rows.txt").write_text("\n".join(map(str, range(count))))

    return Store().write(DatasetRef, fill, name="toy", rows=count)


@stage()
def fit_line(rows: DatasetRef, toy: Toy) -> Checkpoint:
    Store().open(rows)
    tracker = current_tracker()
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    folder = tracker.work / "checkpoints"
    found = restore_checkpoint(folder, model, optimizer, scheduler)
    for step in range(found.step if found else 0, toy.steps):
        meet_fate(tracker.work, toy, step)
        loss = model(torch.randn(8, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        tracker.metrics({"train/loss": loss.item()}, step)
        save_checkpoint(folder, step + 1, model, optimizer, scheduler, {})
        tracker.progress(step + 1, toy.steps)
    return Store().write(
        Checkpoint, lambda target: save_file(model.state_dict(), target / "model.safetensors"), parameters=5
    )


def meet_fate(work: Path, toy: Toy, step: int) -> None:
    killed = work / "killed"
    if step == toy.kill_at and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if step == toy.hold_at:
        (work / "holding.new").write_text(str(os.getpid()))
        (work / "holding.new").rename(work / "holding")
        until((work / "go").exists)


@stage()
def refuse(reason: str) -> DatasetRef:
    raise UserError(reason)


@stage()
def stumble(reason: str) -> DatasetRef:
    raise ArithmeticError(reason)


@stage()
def diverge(loss: float) -> DatasetRef:
    current_tracker().metrics({"train/loss": loss * 1e308 * 10}, 0)
    return Store().write(DatasetRef, lambda folder: None)


def count_threads() -> dict[str, int]:
    return {"torch": torch.get_num_threads(), "environment": int(os.environ["OMP_NUM_THREADS"])}
