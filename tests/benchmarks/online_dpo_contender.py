"""One side of the comparison of online DPO, in a process of its own.

``python online_dpo_contender.py {ours,trl} STEPS THREADS MODEL`` prints one JSON line: response tokens per second of
whole steps (sample two responses a prompt, have a function reward them, score them by the reference, learn from the
pair), and seconds a step of its parts. MODEL is a folder with a model that ends its responses, or ``forced``: a model
with random weights whose responses all have as many tokens as are allowed.
``python online_dpo_contender.py fit FOLDER`` makes such a folder: a minute of imitation of demonstrations.
 Both sides ask for rewards once a step, so the time from one call to a later one is
that of whole steps, set-up and first steps left out. TRL scores by policy and reference before it asks for rewards;
``learn`` is what is left of a step when sampling, rewards and the reference are taken off.
"""

import json
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import torch
from policy_gradient_contender import Stopwatch, prompt_rows
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.data.tables import store_rows
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint
from tasks.engine.store import Store
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.loading import load_model, save_model

PROMPTS, TOKENS = 32, 32
FIT_STEPS = 150
LEARNING_RATE, BETA, BETA2 = 1e-4, 0.1, 0.99
WARM_UP = 3


FORCED = "forced"


class TokenWatch(Stopwatch):
    """Counts the tokens of the responses that it is asked about, their ends included."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.tokens: list[int] = []
        self.tokenizer = None if model == FORCED else build_tokenizer()

    def reward(self, texts: Sequence[str]) -> list[float]:
        lengths = [TOKENS if self.tokenizer is None else len(self.tokenizer(text).input_ids) + 1 for text in texts]
        self.tokens.append(sum(lengths))
        return super().reward(texts)


def result(watch: TokenWatch) -> dict[str, float]:
    """Means over the steps after the warm-up; processor seconds are those of all threads."""
    steps = len(watch.calls) - WARM_UP
    seconds = (watch.calls[-1] - watch.calls[WARM_UP - 1]) / steps
    parts = {name: statistics.fmean(spent[WARM_UP:]) for name, spent in watch.parts.items()}
    return {
        "tokens_per_second": statistics.fmean(watch.tokens[WARM_UP:]) / seconds,
        "seconds": seconds,
        **parts,
        "learn": seconds - sum(parts.values()),
        "processor_seconds": (watch.processor[-1] - watch.processor[WARM_UP - 1]) / steps,
    }


def rewards(watch: TokenWatch, texts: Sequence[str]) -> list[float]:
    """The share of different words, and so little of the text itself that two texts never tie."""
    return [share + 1e-3 * crc32(text.encode()) / 2**32 for share, text in zip(watch.reward(texts), texts, strict=True)]


def fit(folder: Path) -> None:
    """A model that ends its responses where demonstrations do, in the format of the Hub."""
    from tasks.data.scenario import draw_demonstrations
    from tasks.data.world import TinyWorld
    from tasks.engine.tracking import stage_tracker
    from tasks.policy.optimisation import SupervisedTraining
    from tasks.policy.supervised import finetune_supervised

    os.environ["RLHF_HOME"] = str(folder / "home")
    tokenizer = build_tokenizer()
    model = build_from_scratch(ScratchModel(), tokenizer, seed=0)
    start = Store().write(Checkpoint, lambda place: save_model(model, tokenizer, place))
    training = SupervisedTraining(max_steps=FIT_STEPS, learning_rate=1e-3)
    with stage_tracker(folder / "run.jsonl", folder / "work"):
        demonstrations = draw_demonstrations(TinyWorld(), seed=0)
        fitted = finetune_supervised(start, demonstrations, training, ModelConfig(), seed=0)
    save_model(*load_model(Store().open(fitted), ModelConfig()), folder / "model")


def ours(steps: int, watch: TokenWatch, folder: Path, model: str) -> None:
    from tasks.engine.tracking import stage_tracker
    from tasks.models import sampling
    from tasks.policy.fresh import drawing, judging, rounds
    from tasks.policy.fresh.labellers import RewardLabels
    from tasks.policy.fresh.loop import optimise_on_fresh_pairs
    from tasks.policy.fresh.settings import FreshPairs
    from tasks.policy.objectives.dpo import DPO
    from tasks.policy.optimisation import PreferenceTraining
    from tasks.reward.judged import Judged

    class DistinctWords:
        def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
            return {"reward": rewards(watch, [one.response for one in batch])}

    os.environ["RLHF_HOME"] = str(folder)
    base = Store().write(Checkpoint, lambda place: save_model(*opened(model), place))
    prompts = store_rows(prompt_rows(steps * PROMPTS), "prompts")
    judging.open_reward_function = lambda *_: DistinctWords()
    if model == FORCED:
        sampling.end_token_ids = lambda *_: []
    watch.timed(drawing.Drawer, "_answer", "sample")
    watch.timed(judging.RewardJudge, "judge", "label")
    watch.timed(drawing.Drawer, "_scored", "reference")
    watch.timed(rounds, "write_round", "record")
    training = PreferenceTraining(
        max_steps=steps, batch_size=PROMPTS, learning_rate=LEARNING_RATE, beta2=BETA2, warmup_steps=0, snapshots=1,
        log_every_steps=steps, checkpoint_every_steps=steps,
    )  # fmt: skip
    fresh = FreshPairs(decoding=Decoding(max_new_tokens=TOKENS))
    with stage_tracker(folder / "run.jsonl", folder / "work"):
        run = optimise_on_fresh_pairs(
            base, base, prompts, RewardLabels(), [], DPO(beta=BETA), fresh, training, ModelConfig(), seed=0
        )
    assert model != FORCED or run.stream.rows == steps * PROMPTS


def trl(steps: int, watch: TokenWatch, folder: Path, model: str) -> None:
    from datasets import Dataset
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    def distinct_words(completions: list[list[dict[str, str]]], **_: object) -> list[float]:
        return rewards(watch, [completion[0]["content"] for completion in completions])

    class Trainer(OnlineDPOTrainer):
        def _forward(self, model: object, *inputs: object, **named: object) -> object:
            return self.by_reference(model, *inputs) if model is self.ref_model else super()._forward(model, *inputs)

        def by_reference(self, model: object, *inputs: object) -> object:
            return super()._forward(model, *inputs)

    policy, tokenizer = opened(model)
    reference, _ = opened(model)
    settings = OnlineDPOConfig(
        output_dir=str(folder / "out"), per_device_train_batch_size=PROMPTS, max_new_tokens=TOKENS, temperature=1.0,
        top_k=0, generation_kwargs={"min_new_tokens": TOKENS} if model == FORCED else {}, max_steps=steps,
        learning_rate=LEARNING_RATE, adam_beta2=BETA2, weight_decay=0.0, lr_scheduler_type="constant", beta=BETA,
        bf16=False, use_cpu=True, gradient_checkpointing=False, logging_strategy="no", save_strategy="no", report_to=[],
        disable_tqdm=True, seed=0,
    )  # fmt: skip
    watch.timed(Trainer, "_generate", "sample")
    watch.timed(Trainer, "_calculate_rewards_from_functions", "label")
    watch.timed(Trainer, "by_reference", "reference")
    rows = Dataset.from_list([{"prompt": row["prompt"]} for row in prompt_rows(steps * PROMPTS)])
    Trainer(
        model=policy, ref_model=reference, reward_funcs=distinct_words, args=settings, train_dataset=rows,
        processing_class=tokenizer,
    ).train()  # fmt: skip


def opened(model: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a folder, or one with random weights."""
    if model == FORCED:
        tokenizer = build_tokenizer()
        return build_from_scratch(ScratchModel(), tokenizer, seed=0), tokenizer
    return load_model(model, ModelConfig())


def main() -> None:
    logging.disable(logging.WARNING)
    if sys.argv[1] == "fit":
        fit(Path(sys.argv[2]))
        return
    side, steps, threads, model = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(threads)
    watch = TokenWatch(model)
    with tempfile.TemporaryDirectory() as folder:
        {"ours": ours, "trl": trl}[side](steps, watch, Path(folder), model)
    print(json.dumps(result(watch)))


if __name__ == "__main__":
    main()
