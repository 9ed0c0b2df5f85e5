"""How reliable the rewards of filtered responses are, as a Prefect task.

Apart from the other evaluation stages: a change to a step of policy optimisation measures no policy again.
"""

from tasks.engine.refs import Rewards, Scores
from tasks.engine.stage import stage
from tasks.policy.policy_gradient import PolicyGradient


@stage()
def measure_filter(rewards: Rewards, method: PolicyGradient, bins: int, draws: int, seed: int) -> Scores:
    """R^2 between reward and true reward among the responses that a method's filter keeps."""
    from tasks.evaluation import filter_reliability as room
    from tasks.evaluation.scores import FINAL

    return room.measure_filter_reliability(rewards, {FINAL: method.filter}, seed, room.Binning(bins=bins, draws=draws))
