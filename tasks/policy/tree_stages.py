"""The tree MDP as a Prefect task."""

from tasks.engine.refs import Scores
from tasks.engine.stage import stage
from tasks.policy.objectives.objective import Objective
from tasks.policy.tree_mdp.settings import TreeMDP


@stage()
def train_on_tree(tree: TreeMDP, objective: Objective, seed: int) -> Scores:
    """Probability of trajectories that no pair holds, along the training on a few pairs."""
    from tasks.policy.tree_mdp import training

    return training.train_on_tree(tree, objective, seed)
