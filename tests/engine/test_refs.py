"""References: what identifies them, and that they cross processes and stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.engine.caching import refs_in
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, LogProbs, PreferenceData, Ref, Samples
from tasks.engine.worker import decode, encode

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
DATASETS = st.builds(
    DatasetRef,
    digest=DIGESTS,
    bytes=st.integers(0, 2**40),
    made_by=st.text(max_size=8),
    name=st.text(max_size=8),
    rows=st.integers(0, 10**9),
)
CHECKPOINTS = st.builds(Checkpoint, digest=DIGESTS, parameters=st.integers(0, 10**12))


def test_who_made_an_artifact_and_its_facts_are_not_its_identity():
    first = DatasetRef(digest="a" * 64, bytes=5, made_by="one", name="pairs", rows=3)
    second = DatasetRef(digest="a" * 64, bytes=5, made_by="two", name="other", rows=4)
    assert first.identity() == second.identity()
    assert first.path == second.path


def test_another_digest_or_another_kind_is_another_identity():
    refs = [
        DatasetRef(digest="a" * 64),
        DatasetRef(digest="b" * 64),
        Samples(digest="a" * 64),
        LogProbs(digest="a" * 64),
    ]
    assert len({(ref.identity()["kind"], ref.identity()["digest"]) for ref in refs}) == 4
    assert len({ref.path for ref in refs}) == 4


@given(DATASETS)
def test_json_round_trip(ref):
    assert DatasetRef.model_validate_json(ref.model_dump_json()) == ref
    assert decode(encode(ref)) == ref


@given(DATASETS, st.lists(CHECKPOINTS, min_size=1, max_size=3))
def test_nested_references_cross_processes_and_are_all_found(rows, checkpoints):
    series = CheckpointSeries(steps=list(range(len(checkpoints))), checkpoints=checkpoints)
    data = PreferenceData(pairs=rows, held_out_pairs=rows, demonstrations=rows, evaluation=rows)
    value = {"series": series, "data": [data], "seed": 3}
    assert decode(encode(value)) == value
    assert refs_in(value) == [*checkpoints, rows, rows, rows, rows]
    assert series.final == checkpoints[-1]


def test_a_reference_cannot_be_changed():
    ref = DatasetRef(digest="a" * 64)
    with pytest.raises(ValidationError, match="frozen"):
        ref.digest = "b" * 64


@pytest.mark.parametrize("digest", ["", "a" * 63, "a" * 65, "A" * 64, "../" + "a" * 61])
def test_only_a_digest_is_a_digest(digest):
    with pytest.raises(ValidationError, match="digest"):
        Ref(kind="dataset", digest=digest)


def test_a_reference_of_one_kind_is_not_taken_for_another():
    with pytest.raises(ValidationError, match="kind"):
        Checkpoint.model_validate(DatasetRef(digest="a" * 64).model_dump(include={"kind", "digest"}))
