"""One side of the throughput comparison, in a process of its own: ``python dpo_contender.py {ours,trl} PAIRS``.

Prints one JSON line: tokens of prompts and both responses (each prompt counted twice, as both sides' data hold it)
per second of training *and* reference scoring, and the growth of peak memory over what the imports took.
"""

import json
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from datasets import Dataset, disable_progress_bars
from trl import DPOConfig, DPOTrainer

from tasks.data.rows import PairRow
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.tracking import stage_tracker
from tasks.models.batching import plan_batches
from tasks.models.build import build_from_scratch
from tasks.models.config import ScratchModel
from tasks.models.log_probs import ResponseScorer
from tasks.models.reference import score_rows
from tasks.policy.loop import train
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.preference import encode_pair, preference_loss

BATCH, LEARNING_RATE, BETA = 32, 1e-4, 0.1


def preference_rows(count: int) -> list[PairRow]:
    prompts = sample_prompts("tldr", "train", count, seed=0)
    first, second = demonstrations(prompts, seed=1), demonstrations(prompts, seed=2)
    return [
        PairRow(
            prompt_id=a["prompt_id"], prompt=a["prompt"], family=a["family"],
            chosen=a["response"], rejected=b["response"],
        )
        for a, b in zip(first, second, strict=True)
    ]  # fmt: skip


def ours(rows: list[PairRow], model: torch.nn.Module, tokenizer: object, folder: Path) -> None:
    with stage_tracker(folder / "run.jsonl", folder / "work") as tracker:
        scores = score_rows(model, tokenizer, [(row["prompt"], [row["chosen"], row["rejected"]]) for row in rows])
        groups = [encode_pair(tokenizer, row) for row in rows]
        plan = plan_batches([len(g.prompt) + sum(map(len, g.responses)) for g in groups], BATCH, seed=0, epochs=1)
        settings = PreferenceTraining(learning_rate=LEARNING_RATE, batch_size=BATCH, warmup_steps=0)
        loss_of = preference_loss(groups, {"reference": torch.tensor(scores)}, DPO(beta=BETA))
        train(ResponseScorer(model), plan, loss_of, settings, tracker)


def trl(rows: list[PairRow], model: torch.nn.Module, tokenizer: object, folder: Path) -> None:
    data = Dataset.from_list(
        [
            {
                "prompt": row["prompt"],
                "chosen": [{"role": "assistant", "content": row["chosen"]}],
                "rejected": [{"role": "assistant", "content": row["rejected"]}],
            }
            for row in rows
        ]
    )
    config = DPOConfig(
        output_dir=str(folder), per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=LEARNING_RATE,
        beta=BETA, lr_scheduler_type="constant", bf16=False, use_cpu=True, gradient_checkpointing=False,
        precompute_ref_log_probs=True, precompute_ref_batch_size=BATCH, logging_steps=1, save_strategy="no",
        report_to=[], disable_tqdm=True, seed=0,
    )  # fmt: skip
    DPOTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer).train()


def main() -> None:
    logging.disable(logging.WARNING)
    disable_progress_bars()
    torch.set_num_threads(1)
    rows = preference_rows(int(sys.argv[2]))
    tokenizer = build_tokenizer()
    model = build_from_scratch(ScratchModel(), tokenizer, seed=0)
    groups = [encode_pair(tokenizer, row) for row in rows]
    tokens = sum(2 * len(g.prompt) + sum(map(len, g.responses)) for g in groups)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        {"ours": ours, "trl": trl}[sys.argv[1]](rows, model, tokenizer, Path(folder))
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {"tokens_per_second": tokens / seconds, "grown_mib": (peak - before) / 1024, "peak_mib": peak / 1024}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
