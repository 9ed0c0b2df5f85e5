"""Training on single rewarded responses: loop 1 with a loss that reads every token's probability."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_scoring
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.log_probs import response_log_probs
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import disable_dropout, evaluating
from tasks.models.reference import MAX_TOKENS
from tasks.policy.advantage_leftover.advantages import RewardedRow
from tasks.policy.advantage_leftover.sampling import plan_draws, probabilities, share_drawn, steps_of_run
from tasks.policy.advantage_leftover.settings import LeftoverTraining, Sampling
from tasks.policy.loop import LossOf, Metrics, snapshots_at, train
from tasks.policy.objectives.rewarded_responses import ResponseObjective, RewardedResponses
from tasks.policy.snapshots import Snapshots


class TokenScorer(nn.Module):
    """Log-probabilities token by token as a module with one ``forward``: what to hand to DDP, FSDP or DeepSpeed."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, groups: Sequence[EncodedGroup]) -> tuple[Tensor, Tensor]:
        """[responses, longest] float32, zero after each end, and lengths [responses]."""
        scores = response_log_probs(self.model, groups)
        return scores.values, scores.lengths


def optimise_leftover(
    start: Checkpoint,
    rewarded: DatasetRef,
    objective: ResponseObjective,
    sampling: Sampling,
    training: LeftoverTraining,
    model: ModelConfig,
    seed: int,
) -> CheckpointSeries:
    """Minimise ``objective`` on responses drawn from ``rewarded``; ``start`` is where the policy and pi_ref are.

    Raises UserError if no response has a positive weight, there are fewer responses than a batch, or one is longer than
    the model's context.
    """
    tracker = current_tracker()
    tracker.dataset(rewarded, "training")
    rows = read_rows_of(rewarded, RewardedRow)
    chances = probabilities(weights_of(rows, objective), sampling)
    steps = steps_of_run(len(rows), share_drawn(chances), training)
    plan = plan_draws(chances, steps, training.batch_size, seed)
    policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    groups = [
        EncodedGroup(encode_prompt(tokenizer, row["prompt"]), [encode_response(tokenizer, row["response"])])
        for row in rows
    ]
    scorer = TokenScorer(policy)
    reference = score_tokens(scorer, groups, sorted({row for batch in plan for row in batch}))
    snapshots = Snapshots(policy, tokenizer, tracker)
    kept = snapshots_at(steps, training.snapshots)
    tracker.metrics({"data/drawn_share": share_drawn(chances), "data/steps": steps}, 0)
    train(scorer, plan, rewarded_loss(groups, rows, reference, objective), training, tracker, snapshots.take, kept)
    tokens = sum(len(groups[row].prompt) + len(groups[row].responses[0]) for batch in plan for row in batch)
    tracker.metrics({"cost/tokens": tokens}, steps)
    return snapshots.series(kept)


def weights_of(rows: Sequence[RewardedRow], objective: ResponseObjective) -> "np.ndarray":
    """[rows] float64: what each response counts by under ``objective``, of either sign."""
    if objective.weight == "none":
        return np.ones(len(rows))
    return np.array([row["advantage"] if objective.weight == "advantage" else row["reward"] for row in rows])


def score_tokens(scorer: TokenScorer, groups: Sequence[EncodedGroup], rows: Sequence[int]) -> dict[int, Tensor]:
    """Row → log-probabilities of its tokens, [length] float32 on the CPU, without gradient."""
    lengths = [len(groups[row].prompt) + len(groups[row].responses[0]) for row in rows]
    found: dict[int, Tensor] = {}
    with evaluating(scorer):
        for batch in plan_scoring(lengths, MAX_TOKENS):
            chosen = [rows[index] for index in batch]
            values, sizes = scorer([groups[row] for row in chosen])
            for row, value, size in zip(chosen, values.cpu(), sizes.tolist(), strict=True):
                found[row] = value[:size].clone()
    return found


def rewarded_loss(
    groups: Sequence[EncodedGroup],
    rows: Sequence[RewardedRow],
    reference: dict[int, Tensor],
    objective: ResponseObjective,
) -> LossOf:
    """The loss that the loop takes: ``objective`` on the rows' token scores, rewards and advantages."""
    rewards, advantages = (torch.tensor([row[name] for row in rows]) for name in ("reward", "advantage"))

    def loss_of(scorer: nn.Module, chosen: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        log_probs, lengths = scorer([groups[row] for row in chosen])
        frozen = nn.utils.rnn.pad_sequence([reference[row] for row in chosen], batch_first=True)
        device = log_probs.device
        return objective.loss(
            RewardedResponses(
                log_probs, frozen.to(device), lengths, rewards[chosen].to(device), advantages[chosen].to(device)
            )
        )

    return loss_of
