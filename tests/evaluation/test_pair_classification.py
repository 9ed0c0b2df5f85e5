"""Policies as classifiers of pairs, pooled samples, and replays compared by their weights."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tasks.data.rows import user_prompt
from tasks.data.tables import read_rows_of, read_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, PairStream
from tasks.engine.schema import UserError
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.classification import better_first, classify_by_label, known_rows, spread
from tasks.evaluation.tandem import compare_weights
from tasks.models.generation import SampleRow, store_samples
from tasks.models.packing import EncodedGroup
from tasks.policy.fresh.row import ComparedRow
from tasks.policy.fresh.storing import store_stream, write_round
from tasks.reward.pooled_samples import pool_samples


def compared(number: int, gold: list[float]) -> ComparedRow:
    row = {"prompt_id": f"p{number}", "prompt": user_prompt("hello"), "family": "hh"}
    return ComparedRow(
        row=row,
        group=EncodedGroup([1, 2], [[3], [4]]),
        texts=["a", "b"],
        anchors={"behaviour": [-1.0, -2.0]},
        strength=0.9,
        rewards=[1.0, 0.0],
        win_rates=[0.9, 0.1],
        gold=gold,
    )


def recorded(rows: list[ComparedRow], folder: Path) -> PairStream:
    write_round(rows, {}, folder / "round.parquet")
    return store_stream([folder / "round.parquet"], [[0]])


def test_a_labeller_is_right_where_it_preferred_the_truly_better(rlhf_home, tmp_path):
    golds = [[1.0, 0.0], [0.0, 1.0], [2.0, 0.5], [1.0, 1.0]] * 10
    stream = recorded([compared(number, gold) for number, gold in enumerate(golds)], tmp_path)
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        table = read_scores(classify_by_label(stream, parts=5, pairs_a_part=100))
    whole = table[table["point"] == ""]
    assert len(whole) == 30
    assert whole["value"].mean() == pytest.approx(2 / 3)
    assert set(table["point"]) == {"", "20%", "40%", "60%", "80%", "100%"}
    assert (table[table["point"] != ""].groupby("point").size() == 6).all()


def test_pairs_without_a_known_order_cannot_be_classified(rlhf_home, tmp_path):
    stream = recorded([compared(0, [float("nan")] * 2), compared(1, [1.0, 1.0])], tmp_path)
    with pytest.raises(UserError, match="two known, different true rewards"):
        known_rows(stream)


def test_the_truly_better_response_comes_first():
    assert better_first(compared(0, [0.0, 1.0])).responses == [[4], [3]]
    assert better_first(compared(0, [1.0, 0.0])).responses == [[3], [4]]


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 20))
def test_places_are_spread_over_all_parts_once_each(rows, parts, count):
    found = spread([compared(number, [1.0, 0.0]) for number in range(rows)], parts, count)
    places = [place for _, place in found]
    assert len(set(places)) == len(places)
    assert places == sorted(places)
    sizes = pd.Series([point for point, _ in found]).value_counts()
    assert sizes.max() <= count
    if rows >= parts:
        assert len(sizes) == parts


def stored(weights: dict[str, torch.Tensor]) -> Checkpoint:
    return Store().write(Checkpoint, lambda folder: save_file(weights, folder / "model.safetensors"))


def test_replays_are_compared_tensor_by_tensor(rlhf_home):
    nan, zero = torch.tensor([float("nan")]), torch.tensor(0.0)
    one, other = stored({"a": nan, "b": zero}), stored({"a": nan, "b": -zero})
    run = CheckpointSeries(steps=[1, 2], checkpoints=[one, other])
    assert read_scores(compare_weights(run, run))["value"].tolist() == [1.0] * 4
    changed = CheckpointSeries(steps=[1, 2], checkpoints=[one, one])
    assert read_scores(compare_weights(run, changed))["value"].tolist() == [1.0, 1.0, 1.0, 0.0]
    shorter = CheckpointSeries(steps=[1], checkpoints=[one])
    assert read_scores(compare_weights(run, shorter))["value"].tolist() == [1.0, 1.0, 0.0, 0.0]


def sample(prompt: str, text: str) -> SampleRow:
    return SampleRow(
        prompt_id=prompt,
        prompt=user_prompt(prompt),
        family="hh",
        sample=0,
        response=text,
        ids=[5, 2],
        finished=True,
        log_prob=-1.0,
    )


def test_pooled_samples_are_numbered_prompt_by_prompt(rlhf_home):
    one = store_samples([sample("x", "a"), sample("y", "b")])
    other = store_samples([sample("x", "c"), sample("y", "d")])
    rows = read_rows_of(pool_samples(one, other), SampleRow)
    assert [(row["prompt_id"], row["sample"], row["response"]) for row in rows] == [
        ("x", 0, "a"), ("x", 1, "c"), ("y", 0, "b"), ("y", 1, "d")
    ]  # fmt: skip
    with pytest.raises(UserError, match="1 prompts are in one of them alone"):
        pool_samples(one, store_samples([sample("x", "c")]))
