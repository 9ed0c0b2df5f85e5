"""Fitting the value of a frozen policy to the rewards of its own greedy responses, and reading it."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PromptRow
from tasks.data.tables import read_rows_of
from tasks.engine.files import write_json
from tasks.engine.refs import Checkpoint, RewardRef, Samples
from tasks.engine.store import Store
from tasks.engine.tracking import current_tracker
from tasks.models.batching import pad_right, plan_batches, plan_scoring
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt
from tasks.models.generation import SampleRow
from tasks.models.opening import open_frozen
from tasks.models.parts import Scorable, causal_lm, evaluating, run_body
from tasks.models.reference import MAX_TOKENS
from tasks.policy.advantage_leftover.reference import SequenceValue
from tasks.policy.advantage_leftover.settings import ValueFitting
from tasks.policy.advantage_leftover.value_head import AttentionValueHead
from tasks.reward.bounded import RangeReward, SigmoidReward, open_bounded
from tasks.reward.judged import Judged

WEIGHTS, SETTINGS = "value.safetensors", "value.json"


def fit_value(
    policy: Checkpoint,
    samples: Samples,
    reward: SigmoidReward | RangeReward,
    fitted: Sequence[RewardRef],
    settings: ValueFitting,
    model: ModelConfig,
    seed: int,
) -> SequenceValue:
    """Regress the reward of ``policy``'s one response a prompt on the prompt (mean squared error).

    ``samples`` are its greedy responses to validation prompts. The policy stays frozen. The epoch whose head fits those
    same prompts best is kept, as in A-LoL's code; the fit is measured after the epoch, with dropout off.

    Raises UserError if there are fewer prompts than a batch holds, or the reward function cannot judge a response.
    """
    rows = read_rows_of(samples, SampleRow)
    batch = [Judged(row, row["response"], row["finished"]) for row in rows]
    rewards = torch.tensor(open_bounded(reward, fitted, model)(batch))
    frozen, tokenizer = open_frozen(policy, model)
    head = new_head(frozen, settings, seed)
    prompts = encoded(tokenizer, rows)
    losses, best = regress(head, frozen, prompts, rewards, settings, seed)
    spread = float(rewards.var(correction=0))
    tracker = current_tracker()
    for epoch, loss in enumerate(losses, start=1):
        found = {"train/value_loss": loss}
        tracker.metrics(found | ({"train/explained_variance": 1.0 - loss / spread} if spread > 0.0 else {}), epoch)
    tracker.metrics({"value/reward": float(rewards.mean()), "value/epoch": losses.index(min(losses)) + 1}, len(losses))
    head.load_state_dict(best)
    return store_value(head, settings, seed)


def regress(
    head: AttentionValueHead,
    frozen: Scorable,
    prompts: Sequence[list[int]],
    rewards: Tensor,
    settings: ValueFitting,
    seed: int,
) -> tuple[list[float], dict[str, Tensor]]:
    """Fit ``head`` in place: mean squared error after every epoch, and the weights of the best one."""
    optimizer = AdamW(head.parameters(), lr=settings.learning_rate)
    batches = plan_batches([len(one) for one in prompts], settings.batch_size, seed, settings.epochs)
    each = len(batches) // settings.epochs
    losses: list[float] = []
    best: dict[str, Tensor] = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(batches), each):
            head.train()
            for batch in batches[start : start + each]:
                hidden, mask = prompt_states(frozen, [prompts[row] for row in batch])
                loss = (head(hidden, mask) - rewards[batch].to(hidden.device)).square().mean()
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            losses.append(float((values_of(head, frozen, prompts) - rewards).square().mean()))
            if losses[-1] == min(losses):
                best = copy.deepcopy(head.state_dict())
    return losses, best


def prompt_states(frozen: Scorable, prompts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """A frozen policy's last hidden states of prompts: [prompts, time, hidden] float32 and their mask."""
    lm = causal_lm(frozen)
    ids, mask = pad_right(prompts, lm.config.pad_token_id or 0)
    ids, mask = ids.to(lm.device), mask.to(lm.device)
    with evaluating(frozen):
        return run_body(frozen, input_ids=ids, attention_mask=mask.long()).float(), mask


def values_of(head: nn.Module, frozen: Scorable, prompts: Sequence[list[int]]) -> Tensor:
    """Values [prompts] float32 on the CPU, dropout off (A-LoL's code leaves it on)."""
    head.eval()
    found = torch.empty(len(prompts))
    with torch.no_grad():
        for rows in plan_scoring([len(one) for one in prompts], MAX_TOKENS):
            found[rows] = head(*prompt_states(frozen, [prompts[row] for row in rows])).cpu()
    return found


def encoded(tokenizer: PreTrainedTokenizerBase, rows: Sequence[PromptRow]) -> list[list[int]]:
    """Token ids of the rows' prompts."""
    return [encode_prompt(tokenizer, row["prompt"]) for row in rows]


def new_head(frozen: Scorable, settings: ValueFitting, seed: int) -> AttentionValueHead:
    """An untrained head on ``frozen``'s device. Raises UserError if its attention heads do not divide the width."""
    lm = causal_lm(frozen)
    return AttentionValueHead(lm.config.hidden_size, settings.heads, settings.dropout, seed).to(lm.device)


def store_value(head: AttentionValueHead, settings: ValueFitting, seed: int) -> SequenceValue:
    """Store a head with the settings it is built by."""

    def fill(folder: Path) -> None:
        save_file({name: value.cpu().contiguous() for name, value in head.state_dict().items()}, folder / WEIGHTS)
        write_json(folder / SETTINGS, {"settings": settings.model_dump(mode="json"), "seed": seed})

    return Store().write(SequenceValue, fill)


def open_value(ref: SequenceValue, frozen: Scorable) -> AttentionValueHead:
    """The head behind ``ref`` for the policy ``frozen`` that it was fitted on."""
    folder = Store().open(ref)
    stored = json.loads((folder / SETTINGS).read_text())
    head = new_head(frozen, ValueFitting.model_validate(stored["settings"]), stored["seed"])
    head.load_state_dict(load_file(folder / WEIGHTS))
    return head
