"""The store: whole or absent, verified on every read, whoever dies while writing."""

import os
import threading
from pathlib import Path

import fsspec
import pytest
from dying import kill_at_each

from tasks.engine.refs import Checkpoint, DatasetRef
from tasks.engine.schema import UserError
from tasks.engine.store import CorruptArtifact, MissingArtifact, Store

CONTENT = {"rows.txt": b"first\nsecond\n", "deep/er/model.bin": bytes(range(256)) * 300}


def fill(folder: Path) -> None:
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in CONTENT}


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def artifacts(home: Path) -> list[Path]:
    return list((home / "store").glob("*/??/*"))


@pytest.fixture
def remote(rlhf_home, monkeypatch):
    url = f"memory://{rlhf_home.name}"
    monkeypatch.setenv("RLHF_STORE", url)
    yield url
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("place", ["rlhf_home", "remote"])
def test_round_trip_in_a_folder_and_on_a_remote_file_system(place, request):
    request.getfixturevalue(place)
    ref = Store().write(DatasetRef, fill, name="pairs", rows=2)
    assert read(Store().open(ref)) == CONTENT
    assert (ref.kind, ref.name, ref.rows, ref.bytes) == ("dataset", "pairs", 2, sum(map(len, CONTENT.values())))


def test_the_same_content_is_the_same_artifact_and_other_content_another(rlhf_home):
    refs = [Store().write(DatasetRef, fill, name=name) for name in ("one", "two")]
    assert refs[0].digest == refs[1].digest
    renamed = Store().write(DatasetRef, lambda folder: (folder / "other.txt").write_bytes(CONTENT["rows.txt"]))
    assert renamed.digest != refs[0].digest
    assert len(artifacts(rlhf_home)) == 2


def test_kinds_do_not_share_a_folder(rlhf_home):
    rows, model = Store().write(DatasetRef, fill), Store().write(Checkpoint, fill)
    assert rows.digest == model.digest
    assert rows.path != model.path


def test_a_writer_killed_at_any_file_operation_leaves_nothing_half_written(rlhf_home):
    expected = Store(f"{rlhf_home}/elsewhere").write(DatasetRef, fill)

    def all_visible_is_whole() -> None:
        for folder in artifacts(rlhf_home):
            assert folder.name == expected.digest
            assert read(Store().open(expected)) == CONTENT

    deaths = kill_at_each(lambda: Store().write(DatasetRef, fill), all_visible_is_whole)
    assert deaths > 20
    assert Store().write(DatasetRef, fill).digest == expected.digest
    assert read(Store().open(expected)) == CONTENT


def test_a_remote_upload_killed_at_any_file_operation_is_absent_until_it_is_whole(rlhf_home, monkeypatch):
    # A folder that is not known to be local: files arrive one by one, as on a network drive or an object store.
    monkeypatch.setenv("RLHF_STORE", f"asyncwrapper::file://{rlhf_home}/bucket")
    store = Store()
    assert not store.local
    expected = Store(f"{rlhf_home}/elsewhere").write(DatasetRef, fill)
    seen = []
    kill_at_each(lambda: Store().write(DatasetRef, fill), lambda: seen.append(Store().exists(expected)))
    assert seen.count(False) > 10
    assert read(Store().open(expected)) == CONTENT


def test_a_fill_that_raises_leaves_nothing(rlhf_home):
    def stumble(folder: Path) -> None:
        fill(folder)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Store().write(DatasetRef, stumble)
    assert artifacts(rlhf_home) == []
    assert list((rlhf_home / "store" / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", list(CONTENT))
def test_a_flipped_bit_is_found_named_and_set_aside(rlhf_home, name):
    ref = Store().write(DatasetRef, fill)
    flip_byte(Store().open(ref) / name)
    with pytest.raises(CorruptArtifact, match=ref.digest) as caught:
        Store().open(ref)
    assert "\n" not in str(caught.value)
    assert len(list((rlhf_home / "damaged").iterdir())) == 1
    with pytest.raises(MissingArtifact, match=ref.digest):
        Store().open(ref)
    assert read(Store().open(Store().write(DatasetRef, fill))) == CONTENT


@pytest.mark.parametrize("name", [*CONTENT, "manifest.json"])
def test_a_lost_file_is_noticed(rlhf_home, name):
    ref = Store().write(DatasetRef, fill)
    (Store().open(ref) / name).unlink()
    assert not Store().exists(ref)
    assert read(Store().open(Store().write(DatasetRef, fill))) == CONTENT


def test_an_added_file_is_noticed(rlhf_home):
    ref = Store().write(DatasetRef, fill)
    (Store().open(ref) / "extra.txt").touch()
    assert not Store().exists(ref)


def test_a_damaged_download_is_fetched_again_and_the_remote_artifact_kept(remote):
    ref = Store().write(DatasetRef, fill)
    flip_byte(Store().open(ref) / "rows.txt")
    assert read(Store().open(ref)) == CONTENT


def test_a_damaged_remote_artifact_is_found_and_removed(remote):
    ref = Store().write(DatasetRef, fill)
    store = Store()
    store.fs.pipe_file(f"{store.root}/{ref.path}/rows.txt", b"other")
    with pytest.raises(CorruptArtifact, match=ref.digest):
        store.open(ref)
    with pytest.raises(MissingArtifact):
        Store().open(ref)


def test_readers_that_find_the_damage_together_agree(rlhf_home):
    ref = Store().write(DatasetRef, fill)
    flip_byte(Store().open(ref) / "rows.txt")
    start, found = threading.Barrier(8), []

    def look() -> None:
        start.wait()
        found.append(Store().exists(ref))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [False] * 8


def test_a_store_that_cannot_be_written_is_one_clear_line(rlhf_home, monkeypatch):
    (rlhf_home / "file").touch()
    url = f"{rlhf_home}/file/store"
    monkeypatch.setenv("RLHF_STORE", url)
    for attempt in (Store().check_writable, lambda: Store().write(DatasetRef, fill)):
        with pytest.raises(UserError, match="cannot be written") as caught:
            attempt()
        assert str(caught.value).startswith(url)
        assert "\n" not in str(caught.value)
    assert (rlhf_home / "file").read_bytes() == b""


def test_writers_of_the_same_content_do_not_disturb_each_other_or_readers(rlhf_home):
    ref = Store().write(DatasetRef, fill)
    rounds = 40

    def write_again_and_again() -> None:
        for index in range(rounds):
            written = Store().write(DatasetRef, lambda folder, index=index: (folder / "n").write_text(str(index)))
            assert (Store().open(written) / "n").read_text() == str(index)
            Store().write(DatasetRef, fill)
            assert read(Store().open(ref)) == CONTENT

    pids = []
    for _ in range(2):
        if not (pid := os.fork()):
            try:
                write_again_and_again()
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0]
    assert len(artifacts(rlhf_home)) == rounds + 1
