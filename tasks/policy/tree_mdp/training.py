"""Where probability goes when a direct alignment objective sees a few trajectories of many (arXiv 2406.02900)."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import product

import pandas as pd
import torch
from torch import Tensor, nn

from tasks.data.tables import store_scores
from tasks.engine.refs import Scores
from tasks.engine.tracking import current_tracker
from tasks.policy.loop import snapshots_at
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.tree_mdp.settings import TreeMDP


class TreePolicy(nn.Module):
    """pi(a | actions so far): one tanh layer over their one-hot codes, float64. ``forward`` scores every trajectory."""

    def __init__(self, tree: TreeMDP, generator: torch.Generator) -> None:
        super().__init__()
        self.trajectories = torch.tensor(list(product(range(tree.actions), repeat=tree.depth)))
        self.histories = histories(self.trajectories, tree.actions)
        self.hidden = nn.Linear(tree.depth * tree.actions, tree.hidden, dtype=torch.float64)
        self.output = nn.Linear(tree.hidden, tree.actions, dtype=torch.float64)
        for parameter in self.parameters():
            bound = tree.hidden**-0.5
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self) -> Tensor:
        """log pi of every trajectory, [trajectories] nats; their probabilities sum to 1."""
        log_probs = self.output(torch.tanh(self.hidden(self.histories))).log_softmax(-1)
        return log_probs.gather(-1, self.trajectories[..., None]).squeeze(-1).sum(-1)


def histories(trajectories: Tensor, actions: int) -> Tensor:
    """One-hot codes of the actions before each step: [trajectories, depth] to [.., depth, depth * actions]."""
    count, depth = trajectories.shape
    codes = nn.functional.one_hot(trajectories, actions).double()
    before = torch.ones(depth, depth, dtype=torch.float64).tril(-1)
    return (before[None, :, :, None] * codes[:, None]).reshape(count, depth, depth * actions)


def train_on_tree(tree: TreeMDP, objective: Objective, seed: int) -> Scores:
    """Minimise ``objective`` on the pairs of every problem by gradient descent, from a reference fitted to both sides.

    Metrics, one value a problem at ``0%`` (the reference) and along the steps: ``ood_mass``, the probability of all
    trajectories that no pair holds, and ``chosen_log_prob``, the mean log-probability of the chosen ones in nats.
    """
    frames = [
        pd.DataFrame(rows, columns=["point", "metric", "value"]).assign(prompt_id=f"problem-{number}")
        for number in range(tree.problems)
        for rows in [solve(tree, objective, torch.Generator().manual_seed(seed * 100_003 + number))]
    ]
    table = pd.concat(frames, ignore_index=True)
    final = table[table["point"] == ""].groupby("metric")["value"].mean()
    current_tracker().metrics({f"eval/{name}": float(value) for name, value in final.items()}, tree.steps)
    return store_scores(table)


def solve(tree: TreeMDP, objective: Objective, generator: torch.Generator) -> list[tuple[str, str, float]]:
    """One problem's course as (point, metric, value)."""
    policy = TreePolicy(tree, generator)
    pairs = torch.randperm(tree.actions**tree.depth, generator=generator)[: 2 * tree.pairs].reshape(-1, 2)
    descend(policy, lambda: -policy()[pairs].mean(), tree.reference_steps, tree.learning_rate, [])
    reference = policy()[pairs].detach()
    lengths = torch.full_like(pairs, tree.depth)

    def loss() -> Tensor:
        return objective.loss(ScoredGroup(policy()[pairs], {"reference": reference}, lengths))[0]

    steps = snapshots_at(tree.steps, tree.snapshots)
    found = [deepcopy(policy), *descend(policy, loss, tree.steps, tree.learning_rate, steps)]
    names = ["0%", *(f"{round(100 * step / tree.steps)}%" for step in steps[:-1]), ""]
    return [
        (name, metric, value)
        for name, one in zip(names, found, strict=True)
        for metric, value in measured(one, pairs).items()
    ]


def descend(
    policy: TreePolicy, loss: Callable[[], Tensor], steps: int, rate: float, kept: Sequence[int]
) -> list[TreePolicy]:
    """Full-batch Adam; copies of the policy after each of the steps ``kept``."""
    optimizer = torch.optim.Adam(policy.parameters(), lr=rate)
    copies = []
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if step in kept:
            copies.append(deepcopy(policy))
    return copies


@torch.no_grad()
def measured(policy: TreePolicy, pairs: Tensor) -> dict[str, float]:
    """``ood_mass`` in [0, 1] and ``chosen_log_prob`` in nats; ``pairs`` [pairs, 2] are numbers of trajectories."""
    log_probs = policy()
    unseen = torch.ones(len(log_probs), dtype=torch.bool)
    unseen[pairs] = False
    return {
        "ood_mass": float(log_probs[unseen].exp().sum().clamp(0.0, 1.0)),
        "chosen_log_prob": float(log_probs[pairs[:, 0]].mean()),
    }
