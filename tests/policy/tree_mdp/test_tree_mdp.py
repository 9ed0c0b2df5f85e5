"""The tree MDP: probabilities are probabilities, and all three objectives move mass to what no pair holds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.data.tables import read_scores
from tasks.engine.tracking import stage_tracker
from tasks.policy.objectives.beta_ipo import BetaIPO
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.slic import SLiCHinge
from tasks.policy.tree_mdp.settings import TreeMDP
from tasks.policy.tree_mdp.training import TreePolicy, histories, measured, solve, train_on_tree

SMALL = TreeMDP(problems=6, steps=100, snapshots=2)


@given(st.integers(2, 4), st.integers(1, 4), st.integers(0, 100))
def test_probabilities_of_all_trajectories_sum_to_one(actions, depth, seed):
    tree = TreeMDP.model_construct(actions=actions, depth=depth, hidden=8)
    log_probs = TreePolicy(tree, torch.Generator().manual_seed(seed))()
    assert log_probs.shape == (actions**depth,)
    assert float(log_probs.detach().exp().sum()) == pytest.approx(1.0, abs=1e-12)


def test_a_step_sees_the_actions_before_it_alone():
    codes = histories(torch.tensor([[2, 0, 1]]), 3)
    assert codes.shape == (1, 3, 9)
    assert [codes[0, step].nonzero().squeeze(-1).tolist() for step in range(3)] == [[], [2], [2, 3]]


def test_gradients_are_those_of_finite_differences():
    policy = TreePolicy(SMALL, torch.Generator().manual_seed(0))

    def likelihood(weight):
        return torch.func.functional_call(policy, {"output.weight": weight}, ())

    assert torch.autograd.gradcheck(likelihood, policy.output.weight.detach().clone().requires_grad_())


@pytest.mark.parametrize("objective", [DPO(beta=0.05), BetaIPO(beta=0.05), SLiCHinge(beta=0.05)], ids=str)
def test_mass_leaves_the_data_and_chosen_likelihood_falls(tmp_path, rlhf_home, objective):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work"):
        table = read_scores(train_on_tree(SMALL, objective, seed=0))
    assert set(table["point"]) == {"0%", "50%", ""}
    means = table.groupby(["metric", "point"])["value"].mean()
    assert means["ood_mass", ""] > means["ood_mass", "0%"] + 0.1
    assert means["chosen_log_prob", ""] < means["chosen_log_prob", "0%"] - 0.2


def test_a_seed_repeats_itself_and_another_is_another_problem():
    first, again, other = (solve(SMALL, DPO(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_mass_outside_the_pairs_is_what_they_leave():
    policy = TreePolicy(SMALL, torch.Generator().manual_seed(3))
    pairs = torch.tensor([[0, 5], [5, 26]])
    inside = float(np.exp(policy().detach().numpy())[[0, 5, 26]].sum())
    assert measured(policy, pairs)["ood_mass"] == pytest.approx(1.0 - inside)


def test_pairs_that_cover_the_tree_are_refused():
    with pytest.raises(ValidationError, match=r"2 pairs cover the tree's 4 trajectories"):
        TreeMDP(actions=2, depth=2, pairs=2)
