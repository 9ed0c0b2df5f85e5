"""The checkpoint that is kept is the one whose responses earn the most."""

import pytest

from tasks.data.tables import store_rows
from tasks.data.tiny_world import sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint, CheckpointSeries
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.iterates import choose_iterate
from tasks.evaluation.metrics import find_metric
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.loading import save_model
from tasks.reward.sources import GoldReward

SHAPE = ScratchModel(hidden_size=32, layers=1, heads=2, intermediate_size=64, initializer_range=0.2)
DECODING = Decoding(max_new_tokens=8)


def checkpoint(seed: int) -> Checkpoint:
    tokenizer = build_tokenizer()
    model = build_from_scratch(SHAPE, tokenizer, seed=seed)
    return Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))


@pytest.fixture
def means(rlhf_home, tmp_path):
    """The choice among given checkpoints, and what was logged of each."""

    def choose(*checkpoints: Checkpoint):
        prompts = store_rows(sample_prompts("instruct", "val", 12, seed=0), "validation")
        series = CheckpointSeries(
            steps=[5 * place for place in range(1, len(checkpoints) + 1)], checkpoints=checkpoints
        )
        with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
            kept = choose_iterate(series, prompts, DECODING, GoldReward(), [], ModelConfig(scratch=SHAPE), 0)
        events = [event for event, _ in read_events(tmp_path / "run.jsonl") if event["event"] == "metrics"]
        return kept, events

    return choose


def test_the_best_of_several_is_kept_and_every_mean_is_logged(means):
    several = [checkpoint(seed) for seed in range(4)]
    kept, events = means(*several)
    rewards = {
        e["step"]: e["values"]["held_out/proxy_reward"] for e in events if "held_out/proxy_reward" in e["values"]
    }
    assert list(rewards) == [5, 10, 15, 20]
    best = max(rewards, key=rewards.__getitem__)
    assert kept == several[best // 5 - 1]
    assert [e["values"]["validation/chosen_step"] for e in events if "validation/chosen_step" in e["values"]] == [best]
    assert [name for e in events for name in e["values"] if find_metric(name) is None] == []


def test_of_equal_ones_the_earliest_is_kept(means):
    one = checkpoint(0)
    kept, events = means(one, one, one)
    assert kept == one
    assert events[-1]["values"]["validation/chosen_step"] == 5
