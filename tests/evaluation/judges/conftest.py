"""A tiny chat model from scratch, and a real OpenAI-compatible server for it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tasks.data.byte_pair import train_tokenizer
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.models.build import build_from_scratch
from tasks.models.config import ScratchModel
from tasks.models.loading import save_model

torch.set_num_threads(1)
TEXTS = ["what is the first answer ? it is one , maybe two . which is better ? the second says hello"]
SHAPE = ScratchModel(
    hidden_size=16, layers=2, heads=2, intermediate_size=32, max_positions=256, initializer_range=0.3
)  # fmt: skip


@pytest.fixture(scope="session")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama from scratch with a chat template."""
    folder = tmp_path_factory.mktemp("chat-model")
    tokenizer = train_tokenizer(TEXTS * 3, 300)
    save_model(build_from_scratch(SHAPE, tokenizer, seed=0), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def chat_server(chat_folder: Path) -> Iterator[int]:
    """Port of ``transformers serve`` with the tiny model."""
    command = [Path(sys.executable).with_name("transformers"), "serve", chat_folder, "--host", "127.0.0.1"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [*command, "--port", "0", "--device", "cpu"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    said = []
    for line in server.stderr:
        said.append(line)
        if "Uvicorn running on" in line:
            break
    else:
        pytest.fail("transformers serve did not start: " + "".join(said[-20:]))
    threading.Thread(target=server.stderr.read, daemon=True).start()
    yield int(said[-1].split("127.0.0.1:")[1].split()[0])
    server.terminate()
    server.wait()


@pytest.fixture
def endpoint_settings(chat_folder: Path, rlhf_home: Path) -> Callable[..., JudgeSettings]:
    """Settings for a port of this machine that retry without waiting; the working folder is the test's own."""

    def make(port: int, **changed: object) -> JudgeSettings:
        fields = {
            "kind": "endpoint",
            "model": str(chat_folder),
            "revision": "tiny",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "backoff_seconds": 0.0,
            "timeout_seconds": 3.0,
            "concurrency": 4,
        }
        return JudgeSettings(**fields | changed)  # type: ignore[arg-type]

    return make
