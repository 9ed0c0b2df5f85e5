"""One run of the comparison of learning curves, in a process of its own.

``python learning_curve_contender.py base FOLDER`` makes a store with a briefly trained model and prompts in FOLDER;
``python learning_curve_contender.py {ours,trl} FOLDER SEED`` optimises that model by RLOO on the gold reward and prints
one JSON line: the mean reward of every iteration's responses, and seconds of the whole run.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts, score
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint, DatasetRef
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.loading import save_model
from tasks.policy.optimisation import SupervisedTraining
from tasks.policy.supervised import finetune_supervised

FAMILY = "hh"
ITERATIONS, PROMPTS, PER_PROMPT, TOKENS = 45, 16, 4, 32
LEARNING_RATE, BETA2, WARM_UP, KL = 5e-4, 0.99, 5, 0.02
SUPERVISED_STEPS = 150


def base(folder: Path) -> None:
    """Store a model fitted to demonstrations of mixed quality, and the prompts of the loop."""
    tokenizer = build_tokenizer()
    model = build_from_scratch(ScratchModel(), tokenizer, seed=0)
    start = Store().write(Checkpoint, lambda place: save_model(model, tokenizer, place))
    rows = demonstrations(sample_prompts(FAMILY, "train", 32 * SUPERVISED_STEPS, seed=1), seed=1)
    training = SupervisedTraining(
        learning_rate=3e-3, batch_size=32, log_every_steps=10_000, checkpoint_every_steps=10_000
    )
    with stage_tracker(folder / "base.jsonl", folder / "base"):
        found = finetune_supervised(start, store_rows(rows, "demonstrations"), training, ModelConfig(), seed=0)
    prompts = store_rows(sample_prompts(FAMILY, "train", ITERATIONS * PROMPTS, seed=0), "prompts")
    refs = {"start": found.model_dump(mode="json"), "prompts": prompts.model_dump(mode="json")}
    (folder / "refs.json").write_text(json.dumps(refs))


def ours(start: Checkpoint, prompts: DatasetRef, seed: int, folder: Path) -> list[float]:
    from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
    from tasks.policy.reinforcement import optimise_policy
    from tasks.policy.steps.advantages import LeaveOneOut
    from tasks.policy.steps.clipped_policy import ClippedSurrogate
    from tasks.policy.steps.kl_control import FixedKL
    from tasks.reward.sources import GoldReward

    method = PolicyGradient(
        per_prompt=PER_PROMPT, advantage=LeaveOneOut(), policy_loss=ClippedSurrogate(ratio="sequence"),
        kl=FixedKL(coefficient=KL),
    )  # fmt: skip
    training = ReinforcementTraining(
        learning_rate=LEARNING_RATE, beta2=BETA2, warmup_steps=WARM_UP, iterations=ITERATIONS, snapshots=1,
        rollouts=PROMPTS * PER_PROMPT, decoding=Decoding(max_new_tokens=TOKENS), checkpoint_every_steps=10_000,
    )  # fmt: skip
    spool = folder / f"ours-{seed}.jsonl"
    with stage_tracker(spool, folder / f"ours-{seed}"):
        optimise_policy(start, start, prompts, GoldReward(), [], [], method, training, ModelConfig(), seed)
    events = map(json.loads, spool.read_text().splitlines())
    return [event["values"]["train/score"] for event in events if "train/score" in event.get("values", {})]


def trl(start: Checkpoint, prompts: DatasetRef, seed: int, folder: Path) -> list[float]:
    from datasets import Dataset
    from trl import RLOOConfig, RLOOTrainer

    rows = read_rows_of(prompts, PromptRow)
    tokenizer = build_tokenizer()
    means: list[float] = []

    def gold(
        completions: list[list[dict[str, str]]], completion_ids: list[list[int]], number: Sequence[int], **_: object
    ) -> list[float]:
        texts = [completion[0]["content"] for completion in completions]
        finished = [ids[-1] == tokenizer.eos_token_id for ids in completion_ids]
        rewards = [gold.reward for gold in score([rows[place] for place in number], texts, finished)]
        means.append(sum(rewards) / len(rewards))
        return rewards

    settings = RLOOConfig(
        output_dir=str(folder / f"trl-{seed}"), per_device_train_batch_size=PROMPTS * PER_PROMPT,
        num_generations=PER_PROMPT, max_completion_length=TOKENS, max_steps=ITERATIONS, learning_rate=LEARNING_RATE,
        adam_beta2=BETA2, weight_decay=0.0, warmup_steps=WARM_UP, lr_scheduler_type="constant_with_warmup", beta=KL,
        bf16=False, use_cpu=True, gradient_checkpointing=False, logging_strategy="no", save_strategy="no",
        report_to=[], disable_tqdm=True, seed=seed,
    )  # fmt: skip
    data = Dataset.from_list([{"prompt": row["prompt"], "number": number} for number, row in enumerate(rows)])
    RLOOTrainer(
        model=str(Store().open(start)), reward_funcs=gold, args=settings, train_dataset=data, processing_class=tokenizer
    ).train()
    return means


def main() -> None:
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    side, folder = sys.argv[1], Path(sys.argv[2])
    os.environ["RLHF_HOME"] = str(folder)
    if side == "base":
        base(folder)
        return
    refs = json.loads((folder / "refs.json").read_text())
    start, prompts = Checkpoint.model_validate(refs["start"]), DatasetRef.model_validate(refs["prompts"])
    begun = time.perf_counter()
    rewards = {"ours": ours, "trl": trl}[side](start, prompts, int(sys.argv[3]), folder)
    print(json.dumps({"rewards": rewards, "seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
