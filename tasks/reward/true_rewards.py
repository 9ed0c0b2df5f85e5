"""Another true reward than the tiny world's own, for analyses that compare rewards with the truth."""

from tasks.engine.refs import Rewards
from tasks.reward.scoring import read_rewards, store_rewards

KEY = ["prompt_id", "sample"]


def take_as_truth(rewards: Rewards, truth: Rewards) -> Rewards:
    """``rewards`` with the rewards of ``truth``, of the same samples, as their ``gold_reward``.

    Raises pandas' MergeError if a sample comes twice.
    """
    known = read_rewards(truth)[[*KEY, "reward"]].rename(columns={"reward": "gold_reward"})
    table = read_rewards(rewards).drop(columns="gold_reward")
    return store_rewards(table.merge(known, on=KEY, how="left", validate="one_to_one"))
