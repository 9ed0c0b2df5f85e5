"""One row that the preference loop learns from, as it was drawn: token ids, frozen scores, what is known of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from tasks.data.rows import PromptRow
from tasks.engine.schema import UserError
from tasks.models.packing import EncodedGroup
from tasks.policy.loop import Metrics
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.scores import ScoredGroup


class ComparedRow(NamedTuple):
    """A prompt with compared responses, the preferred one first."""

    row: PromptRow
    group: EncodedGroup
    texts: list[str]
    anchors: dict[str, list[float]]
    """Frozen models' log-probabilities of every response, in nats."""
    strength: float
    """Probability that the labeller gives to the preferred response beating the other; of a whole group 1."""
    rewards: list[float]
    """What the labeller thinks of each compared response."""
    win_rates: list[float]
    """How likely each is preferred to another response that was sampled to its prompt, in [0, 1]."""
    gold: list[float]
    """True rewards of the same, NaN where not known."""


ANCHORS = frozenset({"reference", "previous", "behaviour"})
"""Whose scores rows can carry."""
COLUMNS = ("strength", "rewards", "win_rates")
"""What else of a row an objective can read."""


def loss_on(rows: Sequence[ComparedRow], scorer: nn.Module, objective: Objective) -> tuple[Tensor, Metrics]:
    """``objective`` on rows as they were recorded; ``scorer`` gives the policy's scores of their groups."""
    policy, lengths = scorer([one.group for one in rows])
    frozen = {
        name: torch.tensor([one.anchors[name] for one in rows], dtype=torch.float32, device=policy.device)
        for name in objective.anchors_needed
    }
    columns = {name: torch.tensor([getattr(one, name) for one in rows], device=policy.device) for name in COLUMNS}
    return objective.loss(ScoredGroup(policy, frozen, lengths, columns))


def require_readable(objective: Objective, compared: int, responses: int) -> None:
    """Raise UserError if ``objective`` cannot take rows of ``responses`` responses of which ``compared`` have rewards.

    It is tried on two such rows of zeros, so that a run does not find out after its first samples.
    """
    wanted = set(objective.anchors_needed) - ANCHORS | set(getattr(objective, "columns_needed", ())) - set(COLUMNS)
    if wanted:
        raise UserError(
            f"the objective reads {', '.join(sorted(wanted))}, which fresh pairs do not have; "
            f"they have scores of {', '.join(sorted(ANCHORS))} and columns {', '.join(COLUMNS)}"
        )
    scores, rewards = torch.zeros(2, responses), torch.zeros(2, compared)
    columns = {"strength": torch.ones(2), "rewards": rewards, "win_rates": rewards + 0.5}
    group = ScoredGroup(
        scores, dict.fromkeys(objective.anchors_needed, scores), torch.ones(2, responses, dtype=torch.int64), columns
    )
    try:
        objective.loss(group)
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"the objective does not take rows of {responses} responses, {compared} of them compared ({error}); "
            "choose per_prompt, choice and calibration as it wants them"
        ) from error


def tokens_of(group: EncodedGroup) -> int:
    """Tokens of a group, its prompt once a response."""
    return sum(len(group.prompt) + len(response) for response in group.responses)


def require_anchors(rows: Sequence[ComparedRow], objective: Objective) -> None:
    """Raise UserError if ``objective`` reads scores that the rows were recorded without."""
    known = set(rows[0].anchors) if rows else set()
    if missing := sorted(set(objective.anchors_needed) - known):
        raise UserError(
            f"the objective reads scores of {', '.join(missing)} and these pairs were recorded with "
            f"{', '.join(sorted(known)) or 'none'}; record them in a run whose objective reads the same"
        )


def write_rows(rows: Sequence[ComparedRow], path: Path) -> None:
    """Write rows as Parquet, whole or not at all."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    with staging.open("wb") as file:
        pq.write_table(pa.Table.from_pylist([_flat(one) for one in rows]), file)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def read_rows(path: Path) -> list[ComparedRow]:
    """What ``write_rows`` wrote, to the last bit."""
    return [_deep(one) for one in pq.read_table(path).to_pylist()]


def _flat(one: ComparedRow) -> dict[str, Any]:
    return {
        **one.row,
        "prompt_token_ids": one.group.prompt,
        "response_token_ids": one.group.responses,
        "responses": one.texts,
        "anchor_names": list(one.anchors),
        "anchor_log_probs": list(one.anchors.values()),
        "strength": one.strength,
        "rewards": one.rewards,
        "win_rates": one.win_rates,
        "gold": one.gold,
    }


def _deep(flat: dict[str, Any]) -> ComparedRow:
    return ComparedRow(
        row=PromptRow(prompt_id=flat["prompt_id"], prompt=flat["prompt"], family=flat["family"]),
        group=EncodedGroup(flat["prompt_token_ids"], flat["response_token_ids"]),
        texts=flat["responses"],
        anchors=dict(zip(flat["anchor_names"], flat["anchor_log_probs"], strict=True)),
        strength=flat["strength"],
        rewards=flat["rewards"],
        win_rates=flat["win_rates"],
        gold=flat["gold"],
    )
