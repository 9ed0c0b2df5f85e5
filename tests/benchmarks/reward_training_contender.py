"""One side of the comparison of reward-model training, alone: ``python reward_training_contender.py {ours,trl} PAIRS``.

Prints one JSON line: pairs trained on a second of the whole job, from rows of text and a language model on disk to a
reward model on disk with its accuracy on held-out pairs; and that accuracy.
"""

import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from datasets import Dataset, disable_progress_bars
from transformers import PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from tasks.data.rows import PairRow
from tasks.data.tables import store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.loading import save_model
from tasks.reward.fitting import fit_reward
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.settings import RewardTraining
from tasks.reward.storing import read_card

BATCH, EPOCHS, LEARNING_RATE, BETA2, WARM_UP = 32, 2, 1e-3, 0.99, 10
HELD_OUT = 64


def pairs_of(split: str, count: int) -> list[PairRow]:
    """Two demonstrations of each prompt, the first without the wrong habits."""
    prompts = sample_prompts("tldr", split, count, seed=0)
    better, worse = demonstrations(prompts, seed=1, bias=0.0), demonstrations(prompts, seed=2)
    return [
        PairRow(
            prompt_id=a["prompt_id"], prompt=a["prompt"], family=a["family"],
            chosen=a["response"], rejected=b["response"],
        )
        for a, b in zip(better, worse, strict=True)
    ]  # fmt: skip


def ours(
    rows: list[PairRow], held_out: list[PairRow], start: Checkpoint, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> float:
    training = RewardTraining(
        learning_rate=LEARNING_RATE, beta2=BETA2, warmup_steps=WARM_UP, batch_size=BATCH, epochs=EPOCHS,
        schedule="constant", log_every_steps=10_000, checkpoint_every_steps=10_000,
    )  # fmt: skip
    refs = [store_rows(part, name) for part, name in ((rows, "pairs"), (held_out, "held-out"))]
    with stage_tracker(folder / "run.jsonl", folder / "work"):
        found = fit_reward(start, *refs, BradleyTerry(), training, ModelConfig(), seed=0)
    return read_card(found).accuracy


def trl(
    rows: list[PairRow], held_out: list[PairRow], start: Checkpoint, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> float:
    def dataset(part: list[PairRow]) -> Dataset:
        return Dataset.from_list(
            [
                {
                    "prompt": row["prompt"],
                    "chosen": [{"role": "assistant", "content": row["chosen"]}],
                    "rejected": [{"role": "assistant", "content": row["rejected"]}],
                }
                for row in part
            ]
        )

    disable_progress_bars()
    settings = RewardConfig(
        output_dir=str(folder / "out"), per_device_train_batch_size=BATCH, per_device_eval_batch_size=HELD_OUT,
        num_train_epochs=EPOCHS, learning_rate=LEARNING_RATE, adam_beta2=BETA2, weight_decay=0.0, warmup_steps=WARM_UP,
        lr_scheduler_type="constant_with_warmup", bf16=False, use_cpu=True, gradient_checkpointing=False,
        logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True, seed=0,
    )  # fmt: skip
    trainer = RewardTrainer(
        model=str(Store().open(start)), args=settings, train_dataset=dataset(rows), eval_dataset=dataset(held_out),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    trainer.save_model(str(folder / "reward"))
    return float(trainer.evaluate()["eval_accuracy"])


def main() -> None:
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    pairs = int(sys.argv[2])
    rows, held_out = pairs_of("train", pairs), pairs_of("val", HELD_OUT)
    tokenizer = build_tokenizer()
    model = build_from_scratch(ScratchModel(), tokenizer, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RLHF_HOME"] = folder
        start = Store().write(Checkpoint, lambda place: save_model(model, tokenizer, place))
        begun = time.perf_counter()
        accuracy = {"ours": ours, "trl": trl}[sys.argv[1]](rows, held_out, start, tokenizer, Path(folder))
        seconds = time.perf_counter() - begun
    print(json.dumps({"pairs_per_second": EPOCHS * pairs / seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
