"""The scenario a paper is played in: prompts, demonstrations and evaluation prompts of the tiny world."""

from tasks.data.tables import store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.data.world import TinyWorld
from tasks.engine.refs import DatasetRef


def draw_demonstrations(world: TinyWorld, seed: int) -> DatasetRef:
    """Prompts with a demonstration of mixed quality each, for SFT."""
    prompts = sample_prompts(world.family, "train", world.demonstrations, seed)
    return store_rows(demonstrations(prompts, seed), f"{world.family}-demonstrations")


def draw_pair_prompts(world: TinyWorld, seed: int) -> DatasetRef:
    """Training prompts whose samples are compared; none of them was demonstrated at the same seed."""
    prompts = sample_prompts(world.family, "train", world.demonstrations + world.pairs, seed)
    return store_rows(prompts[world.demonstrations :], f"{world.family}-prompts")


def draw_policy_prompts(world: TinyWorld, seed: int) -> DatasetRef:
    """Training prompts to optimise a policy on, with a demonstration each; none was demonstrated or compared before."""
    seen = world.demonstrations + world.pairs
    prompts = sample_prompts(world.family, "train", seen + world.policy_prompts, seed)
    return store_rows(demonstrations(prompts[seen:], seed), f"{world.family}-policy-prompts")


def draw_held_out_prompts(world: TinyWorld) -> DatasetRef:
    """Validation prompts, the same for every seed, whose samples are compared to test the implicit reward."""
    prompts = sample_prompts(world.family, "val", world.held_out_pairs, seed=0)
    return store_rows(prompts, f"{world.family}-held-out-prompts")


def draw_validation(world: TinyWorld) -> DatasetRef:
    """Validation prompts to choose settings on, with a demonstration each; none has its samples compared."""
    prompts = sample_prompts(world.family, "val", world.held_out_pairs + world.evaluation_prompts, seed=0)
    return store_rows(demonstrations(prompts[world.held_out_pairs :], seed=0), f"{world.family}-validation")


def draw_evaluation(world: TinyWorld) -> DatasetRef:
    """Evaluation prompts, the same for every arm, seed and paper, with a demonstration each to be compared with."""
    prompts = sample_prompts(world.family, "eval", world.evaluation_prompts, seed=0)
    return store_rows(demonstrations(prompts, seed=0), f"{world.family}-evaluation")
