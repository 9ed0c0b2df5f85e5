"""Who says which response is better: settings that a form can show and a cache key can hold."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.engine.schema import Frozen
from tasks.reward.sources import FittedReward, RewardSource


class Labels(Frozen):
    """What every labeller has: how a probability becomes a label."""

    decide: Literal["order", "sampled"] = Field(
        "order", description="Prefer the likelier winner (a tie is left out), or draw the winner by its probability"
    )
    flip: float = Field(0.0, ge=0.0, le=1.0, description="Probability that a label is turned round")


class RewardLabels(Labels):
    """By rewards: the true one, a reward model's, an ensemble's; P(a beats b) = sigma((r_a - r_b) / temperature)."""

    kind: Literal["reward"] = "reward"
    source: RewardSource = Field(FittedReward(), description="Where the rewards come from")
    temperature: float = Field(
        0.0, ge=0.0, le=100.0, description="Bradley-Terry temperature in units of reward; 0: the higher one wins"
    )
    length_penalty: float = Field(
        0.0, ge=0.0, le=1000.0, description="Taken off the reward a character of the response (RLHF Workflow: 0.001)"
    )


class PairwiseLabels(Labels):
    """By a judge that reads both responses, in both orders: a pairwise model, or the language model's own verdict."""

    kind: Literal["pairwise"] = "pairwise"
    temperature: float = Field(
        1.0, ge=0.01, le=100.0, description="The judge's log odds are divided by it: calibrates its certainty"
    )


class ImplicitLabels(Labels):
    """By the trained policy itself: its implicit reward beta log(pi / pi_ref) as it is when a round is drawn."""

    kind: Literal["implicit"] = "implicit"
    beta: float = Field(0.1, ge=1e-4, le=100.0, description="Scale of the implicit reward")


class CyclicLabels(Labels):
    """By preferences that go in a circle: openers of the tiny world's family instruct, and better content (INPO)."""

    kind: Literal["cyclic"] = "cyclic"
    advantage: float = Field(
        0.8, ge=0.5, le=0.99, description="Probability that a style beats the next one in the circle, content equal"
    )
    content_weight: float = Field(
        1.0, ge=0.0, le=100.0, description="Log odds a unit of the gold reward, openers left out, that content adds"
    )


Labeller = Annotated[RewardLabels | PairwiseLabels | ImplicitLabels | CyclicLabels, Field(discriminator="kind")]
