"""Runs on fresh pairs from an untrained policy, each in a folder of its own, and what they left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reinforced import DENSE, MODEL, answered_prompts, base_policy
from safetensors.torch import load_file
from torch import Tensor

from tasks.data.rows import PromptRow
from tasks.data.tables import store_rows
from tasks.engine.refs import CheckpointSeries, FreshRun
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.decoding import Decoding
from tasks.models.opening import open_policy
from tasks.policy.fresh.drawing import Drawer
from tasks.policy.fresh.judging import Answered, Judge, Verdict, open_judge
from tasks.policy.fresh.labellers import Labels, RewardLabels
from tasks.policy.fresh.loop import optimise_on_fresh_pairs
from tasks.policy.fresh.replay import optimise_on_stream
from tasks.policy.fresh.settings import FreshPairs, Replayed
from tasks.policy.fresh.storing import Stream, read_stream
from tasks.policy.objectives.ipo import IPO
from tasks.policy.optimisation import PreferenceTraining

DECODING = Decoding(max_new_tokens=6)
ONLINE = FreshPairs(decoding=DECODING)
TRAINING = PreferenceTraining(max_steps=6, batch_size=8, learning_rate=3e-3, warmup_steps=0, snapshots=2)
BY_DENSE = RewardLabels(source=DENSE)
TIMES = ("sample_seconds", "label_seconds", "reference_seconds", "train_seconds")


def rounds(**settings: Any) -> FreshPairs:
    """Settings of short responses."""
    return FreshPairs(**{"decoding": DECODING} | settings)


def metrics_in(spool: Path) -> list[dict[str, float]]:
    """What was logged, in order; times left out."""
    events = [event["values"] for event, _ in read_events(spool) if event["event"] == "metrics"]
    return [{name: value for name, value in one.items() if not name.endswith(TIMES)} for one in events]


class Left:
    """What a run left."""

    def __init__(self, series: CheckpointSeries, spool: Path, run: FreshRun | None) -> None:
        self.series, self.spool, self.run = series, spool, run
        self.logged = metrics_in(spool)

    @property
    def digests(self) -> list[str]:
        return [one.digest for one in self.series.checkpoints]

    def stream(self) -> Stream:
        assert self.run is not None
        return read_stream(self.run.stream)

    def weights(self) -> dict[str, Tensor]:
        return load_file(Store().open(self.series.final) / "model.safetensors")

    def column(self, name: str) -> list[float]:
        return [one[name] for one in self.logged if name in one]


class FreshBench:
    """Runs from one untrained policy on one set of prompts."""

    def __init__(self, folder: Path, prompts: int = 64) -> None:
        folder.mkdir()
        self.folder = folder
        self.rows: list[PromptRow] = list(answered_prompts(prompts, "hh"))
        self.prompts = store_rows(self.rows, "prompts")
        self.base = base_policy()
        self.runs = 0

    def next_folder(self) -> Path:
        self.runs += 1
        return self.folder / f"run-{self.runs}"

    def run(self, fresh: FreshPairs = ONLINE, training: PreferenceTraining = TRAINING, **changes: Any) -> Left:
        """Train in a new folder; ``changes`` replace start, reference, prompts, labeller, objective, model or seed."""
        folder = self.next_folder()
        given = {
            "start": self.base, "reference": self.base, "prompts": self.prompts, "labeller": BY_DENSE, "fitted": [],
            "objective": IPO(), "model": MODEL, "seed": 0,
        }  # fmt: skip
        with stage_tracker(folder / "run.jsonl", folder / "work"):
            run = optimise_on_fresh_pairs(fresh=fresh, training=training, **(given | changes))
        return Left(run.series, folder / "run.jsonl", run)

    def replay(self, ran: Left, replayed: Replayed, training: PreferenceTraining = TRAINING, **changes: Any) -> Left:
        """Go through the stream of ``ran`` again in a new folder."""
        folder = self.next_folder()
        given = {"start": self.base, "stream": ran.run.stream, "objective": IPO(), "model": MODEL, "seed": 0}
        with stage_tracker(folder / "run.jsonl", folder / "work"):
            series = optimise_on_stream(replayed=replayed, training=training, **(given | changes))
        return Left(series, folder / "run.jsonl", None)

    def drawer(
        self,
        settings: FreshPairs = ONLINE,
        labels: Labels = BY_DENSE,
        judge: Judge | None = None,
        anchors: Sequence[str] = ("behaviour",),
        seed: int = 0,
    ) -> Drawer:
        """What draws rounds from the untrained policy."""
        policy, tokenizer = open_policy(self.base, MODEL)
        judge = judge or open_judge(labels, [], MODEL, policy, policy)
        models = dict.fromkeys(("current", "start", "reference", "previous"), policy)
        return Drawer(settings, labels, judge, models, anchors, tokenizer, seed)


class Decided:
    """A judge with one opinion of every prompt's responses, by their places."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        return [self.verdict for _ in prompts]
