"""One side of the comparison of policy-gradient loops, in a process of its own.

``python policy_gradient_contender.py {ours,trl} {rloo,grpo} ITERATIONS THREADS`` prints one JSON line: response tokens
per second of whole iterations, and seconds an iteration of its parts: sampling, scoring (reward, old and reference
log-probabilities, advantages) and the rest, which is the update. Both sides ask for rewards once an iteration, so the
time from one call to a later one is that of whole iterations, set-up and first iterations left out.
"""

import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import sample_prompts
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.models.build import build_from_scratch
from tasks.models.config import ScratchModel
from tasks.models.decoding import Decoding
from tasks.models.loading import save_model

PROMPTS, PER_PROMPT, TOKENS = 16, 4, 32
LEARNING_RATE, BETA2 = 2e-4, 0.99
KL = {"rloo": 0.05, "grpo": 0.04}
WARM_UP = 3
ROWS = PROMPTS * PER_PROMPT


class Stopwatch:
    """The reward of a text, its share of different words; when it was asked for, and how long parts have taken."""

    def __init__(self) -> None:
        self.calls: list[float] = []
        self.processor: list[float] = []
        self.parts: dict[str, list[float]] = {}
        self.total = 0.0

    def reward(self, texts: Sequence[str]) -> list[float]:
        self.calls.append(time.perf_counter())
        self.processor.append(time.process_time())
        return [len(set(text.split())) / max(1, len(text.split())) for text in texts]

    def timed(self, owner: object, name: str, part: str) -> None:
        """Time the function ``name`` of ``owner``, less what functions timed inside it take."""
        function = getattr(owner, name)

        def measured(*arguments: object, **named: object) -> object:
            start, before = time.perf_counter(), self.total
            found = function(*arguments, **named)
            own = time.perf_counter() - start - (self.total - before)
            self.total += own
            self.parts.setdefault(part, []).append(own)
            return found

        setattr(owner, name, measured)

    def result(self) -> dict[str, float]:
        """Means over the iterations after the warm-up; processor seconds are those of all threads."""
        iterations = len(self.calls) - WARM_UP
        seconds = (self.calls[-1] - self.calls[WARM_UP - 1]) / iterations
        means = {name: statistics.fmean(spent[WARM_UP:]) for name, spent in self.parts.items()}
        return {
            "tokens_per_second": ROWS * TOKENS / seconds,
            "seconds": seconds,
            **means,
            "update": seconds - sum(means.values()),
            "processor_seconds": (self.processor[-1] - self.processor[WARM_UP - 1]) / iterations,
        }


def prompt_rows(count: int) -> list[PromptRow]:
    """Prompts of the tiny world whose family has no gold reward: none is computed beside the one asked for."""
    return [{**row, "family": "distinct words"} for row in sample_prompts("tldr", "train", count, seed=0)]


def ours(algorithm: str, iterations: int, watch: Stopwatch, folder: Path) -> None:
    from tasks.engine.tracking import stage_tracker
    from tasks.models.sampling import InProcessSampler
    from tasks.policy import reinforcement
    from tasks.policy.actor_critic import ActorCritic
    from tasks.policy.iteration import Judges
    from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining
    from tasks.policy.rollouts import Collector
    from tasks.policy.snapshots import Snapshots
    from tasks.policy.steps.advantages import GroupNormalised, LeaveOneOut
    from tasks.policy.steps.clipped_policy import ClippedSurrogate
    from tasks.policy.steps.kl_control import FixedKL
    from tasks.policy.update import make_learner
    from tasks.reward.judged import Judged

    class DistinctWords:
        def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
            return {"reward": watch.reward([one.response for one in batch])}

    class NoEnd:
        eos_token_id = None

    methods = {
        "rloo": PolicyGradient(
            per_prompt=PER_PROMPT, advantage=LeaveOneOut(), policy_loss=ClippedSurrogate(ratio="sequence"),
            kl=FixedKL(coefficient=KL["rloo"]),
        ),
        "grpo": PolicyGradient(
            per_prompt=PER_PROMPT, advantage=GroupNormalised(epsilon=1e-4), kl=FixedKL(coefficient=0.0),
            policy_loss=ClippedSurrogate(reduction="sequence_mean", kl_coefficient=KL["grpo"]),
        ),
    }  # fmt: skip
    method = methods[algorithm]
    training = ReinforcementTraining(
        learning_rate=LEARNING_RATE, beta2=BETA2, warmup_steps=0, iterations=iterations, rollouts=ROWS,
        decoding=Decoding(max_new_tokens=TOKENS), log_every_steps=iterations, checkpoint_every_steps=iterations,
    )  # fmt: skip
    tokenizer = build_tokenizer()
    policy, reference = (build_from_scratch(ScratchModel(), tokenizer, seed=0) for _ in range(2))
    policy.generation_config.eos_token_id = reference.generation_config.eos_token_id = None
    samplers = (InProcessSampler(model, NoEnd(), training.decoding.batch_rows) for model in (policy, reference))
    collector = Collector(*samplers, tokenizer, method.start, training.decoding, PER_PROMPT, seed=0)
    rows = prompt_rows(iterations * PROMPTS)
    plan = reinforcement.plan_prompts(len(rows), method, training, seed=0)
    judges = Judges(DistinctWords(), {})
    run = reinforcement.Run(rows, plan, collector, reference.requires_grad_(False), judges, method, training, seed=0)
    with stage_tracker(folder / "run.jsonl", folder / "work") as tracker:
        learner = make_learner(ActorCritic(policy, None, None, 1.0).train(), training, method.value)
        watch.timed(Collector, "collect", "sample")
        watch.timed(reinforcement, "gather", "score")
        reinforcement.iterate(run, learner, tracker, Snapshots(policy, tokenizer, tracker), ())


def trl(algorithm: str, iterations: int, watch: Stopwatch, folder: Path) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    def distinct_words(completions: list[list[dict[str, str]]], **_: object) -> list[float]:
        return watch.reward([completion[0]["content"] for completion in completions])

    tokenizer = build_tokenizer()
    save_model(build_from_scratch(ScratchModel(), tokenizer, seed=0), tokenizer, folder / "model")
    config, trainer, own = {
        "rloo": (RLOOConfig, RLOOTrainer, {}),
        "grpo": (GRPOConfig, GRPOTrainer, {"loss_type": "grpo", "use_bias_correction_kl": False}),
    }[algorithm]
    settings = config(
        output_dir=str(folder / "out"), per_device_train_batch_size=ROWS, num_generations=PER_PROMPT,
        max_completion_length=TOKENS, generation_kwargs={"min_new_tokens": TOKENS}, max_steps=iterations,
        learning_rate=LEARNING_RATE, adam_beta2=BETA2, weight_decay=0.0, lr_scheduler_type="constant",
        beta=KL[algorithm], bf16=False, use_cpu=True, gradient_checkpointing=False, logging_strategy="no",
        save_strategy="no", report_to=[], disable_tqdm=True, seed=0, **own,
    )  # fmt: skip
    watch.timed(trainer, "_generate", "sample")
    watch.timed(trainer, "_generate_and_score_completions", "score")
    rows = Dataset.from_list([{"prompt": row["prompt"]} for row in prompt_rows(iterations * PROMPTS)])
    trainer(
        model=str(folder / "model"), reward_funcs=distinct_words, args=settings, train_dataset=rows,
        processing_class=tokenizer,
    ).train()  # fmt: skip


def main() -> None:
    logging.disable(logging.WARNING)
    side, algorithm, iterations, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        {"ours": ours, "trl": trl}[side](algorithm, iterations, watch, Path(folder))
    print(json.dumps(watch.result()))


if __name__ == "__main__":
    main()
