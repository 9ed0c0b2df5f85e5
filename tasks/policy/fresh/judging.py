"""Responses of a round judged: for every prompt a matrix of preferences, and rewards where the labeller has them."""

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple, Protocol

import numpy as np
import torch
from scipy.special import expit

from tasks.engine.refs import RewardRef
from tasks.engine.schema import UserError
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.generation import SampleRow
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable
from tasks.models.reference import score_groups
from tasks.policy.fresh.choices import Floats
from tasks.policy.fresh.labellers import CyclicLabels, ImplicitLabels, Labeller, PairwiseLabels, RewardLabels
from tasks.reward.function import Judged, RewardFunction, open_reward_function
from tasks.reward.model import score_groups as read_network
from tasks.reward.objectives.pairwise_judge import win_probability
from tasks.reward.pairwise import HEAD, ordered
from tasks.reward.storing import open_reward


class Answered(NamedTuple):
    """A prompt and the responses sampled to it, as many as to every other prompt of the round."""

    prompt: list[int]
    """Token ids."""
    responses: list[SampleRow]

    @property
    def group(self) -> EncodedGroup:
        """The same as token ids, the policy's own."""
        return EncodedGroup(self.prompt, [row["ids"] for row in self.responses])


class Verdict(NamedTuple):
    """What is thought of one prompt's k responses."""

    wins: Floats
    """[k, k]: probability that the row's response beats the column's; 0.5 on the diagonal."""
    rewards: Floats
    """[k]: rewards after any length penalty; of a judge without rewards the win rates."""

    @property
    def win_rates(self) -> Floats:
        """[k]: mean probability of winning against another response of the same prompt."""
        return win_rates(self.wins)


class Judge(Protocol):
    """Compares responses."""

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        """A verdict a prompt. Raises UserError for a prompt that cannot be judged."""
        ...


def open_judge(
    labeller: Labeller, fitted: Sequence[RewardRef], model: ModelConfig, policy: Scorable, reference: Scorable
) -> Judge:
    """The judge that ``labeller`` describes; ``fitted`` are the models it reads, ``policy`` is the trained one.

    Raises UserError if ``fitted`` does not suit it.
    """
    if isinstance(labeller, RewardLabels):
        return RewardJudge(open_reward_function(labeller.source, fitted, model), labeller)
    if isinstance(labeller, PairwiseLabels):
        return PairwiseModelJudge(labeller, fitted, model)
    if isinstance(labeller, CyclicLabels):
        from tasks.policy.fresh.cyclic import CyclicJudge

        return CyclicJudge(labeller, fitted)
    if fitted:
        raise UserError(f"labeller implicit reads the policy itself, {len(fitted)} fitted models were given")
    return ImplicitJudge(labeller, policy, reference)


class RewardJudge:
    """By a reward function."""

    def __init__(self, function: RewardFunction, labeller: RewardLabels) -> None:
        self._function = function
        self._labeller = labeller

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        """One batch for the whole round. Raises UserError if a reward is NaN or infinite, naming the prompt."""
        rows = [row for one in prompts for row in one.responses]
        columns = self._function.score([Judged(row, row["response"], row["finished"]) for row in rows])
        penalty = self._labeller.length_penalty
        rewards = np.array(columns["reward"]) - penalty * np.array([len(row["response"]) for row in rows])
        groups = rewards.reshape(len(prompts), -1)
        require_finite(prompts, groups, "reward")
        return [Verdict(preferences(group, self._labeller.temperature), group) for group in groups]


class ImplicitJudge:
    """By the trained policy's log-ratio to the reference, both as they are now."""

    def __init__(self, labeller: ImplicitLabels, policy: Scorable, reference: Scorable) -> None:
        self._beta, self._policy, self._reference = labeller.beta, policy, reference

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        """P = sigma(difference of implicit rewards), as DPO's loss reads them."""
        groups = [one.group for one in prompts]
        ratios = np.array(score_groups(self._policy, groups)) - np.array(score_groups(self._reference, groups))
        require_finite(prompts, ratios, "log-ratio of policy and reference")
        return [Verdict(preferences(rewards, 1.0), rewards) for rewards in self._beta * ratios]


class PairwiseModelJudge:
    """By a fitted pairwise judge, both orders of every two responses."""

    def __init__(self, labeller: PairwiseLabels, fitted: Sequence[RewardRef], model: ModelConfig) -> None:
        if len(fitted) != 1:
            raise UserError(f"labeller pairwise wants one pairwise judge, {len(fitted)} models were given")
        self._judge = open_reward(fitted[0], model)
        if self._judge.card.heads != [HEAD]:
            raise UserError(
                "labeller pairwise wants a judge that fit_pairwise made; use labeller reward for this model"
            )
        self._temperature = labeller.temperature

    def judge(self, prompts: Sequence[Answered]) -> list[Verdict]:
        """P(a beats b) = mean of sigma(z(a, b)) and 1 - sigma(z(b, a)); two equal texts are a tie.

        Raises UserError if the judge gives NaN, naming the prompt.
        """
        count = len(prompts[0].responses)
        orders = list(permutations(range(count), 2))
        groups = [self._encoded(one.responses) for one in prompts]
        read = read_network(self._judge.network, [ordered(group, *pair) for group in groups for pair in orders])
        logits = torch.zeros(len(prompts), count, count)
        first, second = torch.tensor(orders).T
        logits[:, first, second] = torch.cat(read).view(len(prompts), -1) / self._temperature
        wins = win_probability(logits, logits.mT).double().numpy()
        require_finite(prompts, wins.mean(2), "preference")
        return [_verdict(one.responses, matrix) for one, matrix in zip(prompts, wins, strict=True)]

    def _encoded(self, responses: Sequence[SampleRow]) -> EncodedGroup:
        tokenizer = self._judge.tokenizer
        answers = [encode_response(tokenizer, row["response"], eos=row["finished"]) for row in responses]
        return EncodedGroup(encode_prompt(tokenizer, responses[0]["prompt"]), answers)


def _verdict(responses: Sequence[SampleRow], wins: Floats) -> Verdict:
    texts = np.array([row["response"] for row in responses])
    wins[texts[:, None] == texts[None, :]] = 0.5
    return Verdict(wins, win_rates(wins))


def win_rates(wins: Floats) -> Floats:
    """[k, k] probabilities with 0.5 on the diagonal -> [k] means over the other responses."""
    rates: Floats = (wins.sum(1) - 0.5) / (len(wins) - 1)
    return rates


def require_finite(prompts: Sequence[Answered], values: Floats, name: str) -> None:
    """Raise UserError if one of ``values`` [prompts, k] is NaN or infinite, naming prompt and response."""
    for prompt, place in np.argwhere(~np.isfinite(values))[:1].tolist():
        row = prompts[prompt].responses[place]
        raise UserError(
            f"{name} is {values[prompt, place]} for prompt {row['prompt_id']}, response {row['response'][:80]!r}; "
            "check the reward model or judge (NaN weights?) or the reward function"
        )


def preferences(rewards: Floats, temperature: float) -> Floats:
    """[k] rewards -> [k, k] probabilities of winning: Bradley-Terry, or at temperature 0 the order with ties 0.5."""
    difference = rewards[:, None] - rewards[None, :]
    wins: Floats = expit(difference / temperature) if temperature else (np.sign(difference) + 1.0) / 2.0
    return wins
