"""One round of fresh pairs: prompts → responses → verdicts → labelled rows with frozen scores."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PromptRow
from tasks.models.encoding import encode_prompt
from tasks.models.generation import SampleRow, draw
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable
from tasks.models.reference import score_groups
from tasks.models.sampling import InProcessSampler, row_seeds
from tasks.policy.fresh.choices import Floats, WholeGroup
from tasks.policy.fresh.judging import Answered, Judge, Verdict
from tasks.policy.fresh.labellers import Labels
from tasks.policy.fresh.row import ComparedRow
from tasks.policy.fresh.settings import FreshPairs
from tasks.reward.function import Judged
from tasks.reward.scoring import known_gold

MEANS = frozenset({"response_tokens", "finished", "gold_reward"})
"""Facts of a round that are means over its responses."""


@dataclass(frozen=True)
class Round:
    """What a round brought."""

    rows: list[ComparedRow]
    facts: dict[str, float]
    """Counts and means to log."""


def joined(draws: Sequence[Round]) -> Round:
    """Several draws of as many prompts each as one round: counts, tokens and seconds add up, means are of all."""
    rows = [row for draw in draws for row in draw.rows]
    facts = {}
    for name in draws[0].facts:
        values = [draw.facts[name] for draw in draws]
        facts[name] = float(np.mean(values)) if name in MEANS else sum(values)
    return Round(rows, facts | _facts_of_rows(rows, known="gold_reward" in facts))


class Label(NamedTuple):
    """What a labeller decided about some of a prompt's responses."""

    places: list[int]
    """The preferred one first."""
    strength: float
    """Probability that it beats the other one."""


@dataclass(frozen=True)
class Drawer:
    """Draws rounds; ``models`` gives policies by name: current, start, reference, previous."""

    settings: FreshPairs
    labels: Labels
    judge: Judge
    models: Mapping[str, Scorable]
    anchors: Sequence[str]
    """Whose log-probabilities each row carries; ``behaviour`` is who sampled it."""
    tokenizer: PreTrainedTokenizerBase
    seed: int

    def draw(self, prompts: Sequence[PromptRow], number: int, attempt: int = 0) -> Round:
        """Round ``number`` (from 0); each response depends on its prompt, number, round, attempt and seed alone."""
        times = [time.perf_counter()]
        key = f"{number}/again/{attempt}" if attempt else str(number)
        answered = self._answer(prompts, key)
        calibration = self._calibrate(prompts, key) if self.settings.calibration else []
        times.append(time.perf_counter())
        verdicts = self.judge.judge(answered)
        golds = known_gold([Judged(row, row["response"], row["finished"]) for one in answered for row in one.responses])
        true = np.array(golds).reshape(len(answered), -1)
        seeds = row_seeds(self.seed, [f"label/{key}/{row['prompt_id']}" for row in prompts])
        rows: list[ComparedRow] = []
        counts = {"pairs": 0, "tied": 0, "identical": 0}
        for place, (one, verdict) in enumerate(zip(answered, verdicts, strict=True)):
            for label in self._labels(verdict, np.random.default_rng(seeds[place])):
                outcome = self._outcome(one, label)
                counts[outcome] += 1
                if outcome == "pairs":
                    extra = calibration[place : place + 1]
                    rows.append(_compared(prompts[place], one, label, verdict, true[place], extra))
        counts["dropped"] = len(prompts) * self.settings.choice.rows(self.settings.per_prompt) - sum(counts.values())
        times.append(time.perf_counter())
        scored = self._scored(rows)
        times.append(time.perf_counter())
        spent = dict(
            zip(("sample_seconds", "label_seconds", "reference_seconds"), np.diff(times).tolist(), strict=True)
        )
        facts = {name: float(count) for name, count in counts.items()} | _facts_of_responses(answered, true)
        facts |= _facts_of_rows(rows, known="gold_reward" in facts)
        facts["sampled_tokens"] = float(
            sum(len(row["ids"]) for one in answered for row in one.responses)
            + sum(len(row["ids"]) for row in calibration)
        )
        return Round(scored, facts | spent)

    def _answer(self, prompts: Sequence[PromptRow], key: str) -> list[Answered]:
        """Responses of every prompt, shared out over sampling policies and temperatures."""
        settings = self.settings
        policies = ["current", "start"] if settings.behaviour == "mixed" else [settings.behaviour]
        parts = [(policy, temperature) for policy in policies for temperature in settings.temperatures]
        share = settings.per_prompt // len(parts)
        found: list[list[SampleRow]] = [[] for _ in prompts]
        for part, (policy, temperature) in enumerate(parts):
            rows = self._sample(policy, prompts, temperature, share, f"round/{key}/{part}")
            for place in range(len(prompts)):
                found[place] += rows[place * share : (place + 1) * share]
        ids = [encode_prompt(self.tokenizer, row["prompt"]) for row in prompts]
        return [Answered(prompt, responses) for prompt, responses in zip(ids, found, strict=True)]

    def _calibrate(self, prompts: Sequence[PromptRow], key: str) -> list[SampleRow]:
        """One response of the reference policy a prompt, at temperature 1."""
        return self._sample("reference", prompts, 1.0, 1, f"calibration/{key}")

    def _sample(
        self, policy: str, prompts: Sequence[PromptRow], temperature: float, count: int, key: str
    ) -> list[SampleRow]:
        sampler = InProcessSampler(self.models[policy], self.tokenizer, self.settings.decoding.batch_rows)
        decoding = self.settings.decoding.model_copy(update={"temperature": temperature})
        (seed,) = row_seeds(self.seed, [key])
        return draw(sampler, list(prompts), decoding, count, seed)

    def _labels(self, verdict: Verdict, rng: np.random.Generator) -> list[Label]:
        """A label a row that the choice makes of a prompt."""
        ranks = np.argsort(-verdict.rewards, kind="stable").tolist()
        choice = self.settings.choice
        if isinstance(choice, WholeGroup):
            return [Label(ranks, 1.0)]
        return [self._decide(pair, verdict.wins, rng) for pair in choice.pairs(verdict.wins, ranks, rng)]

    def _decide(self, pair: tuple[int, int], wins: Floats, rng: np.random.Generator) -> Label:
        first, second = pair
        chance = float(wins[first, second])
        drawn, flipped = rng.random(2)
        prefers_first = chance > 0.5 if self.labels.decide == "order" else drawn < chance
        label = Label([first, second], chance) if prefers_first else Label([second, first], 1.0 - chance)
        return Label(label.places[::-1], label.strength) if flipped < self.labels.flip else label

    def _outcome(self, one: Answered, label: Label) -> str:
        """``pairs``, or why a comparison is left out."""
        if len({one.responses[place]["response"] for place in label.places}) == 1:
            return "identical"
        return "tied" if self.labels.decide == "order" and label.strength == 0.5 else "pairs"

    def _scored(self, rows: list[ComparedRow]) -> list[ComparedRow]:
        """Rows with the log-probabilities of every anchor but ``behaviour``, which sampling has scored."""
        groups = [one.group for one in rows]
        found = {name: score_groups(self.models[name], groups) for name in self.anchors if name != "behaviour"}
        return [
            one._replace(anchors=one.anchors | {name: scores[place] for name, scores in found.items()})
            for place, one in enumerate(rows)
        ]


def _compared(
    prompt: PromptRow, one: Answered, label: Label, verdict: Verdict, gold: Floats, extra: Sequence[SampleRow]
) -> ComparedRow:
    places, strength = label
    responses = [*(one.responses[place] for place in places), *extra]
    return ComparedRow(
        row=PromptRow(prompt_id=prompt["prompt_id"], prompt=prompt["prompt"], family=prompt["family"]),
        group=EncodedGroup(one.prompt, [row["ids"] for row in responses]),
        texts=[row["response"] for row in responses],
        anchors={"behaviour": [row["log_prob"] for row in responses]},
        strength=strength,
        rewards=verdict.rewards[places].tolist(),
        win_rates=verdict.win_rates[places].tolist(),
        gold=gold[places].tolist(),
    )


def _facts_of_responses(answered: Sequence[Answered], gold: Floats) -> dict[str, float]:
    """Means over what was sampled; of gold only where all of it is known."""
    responses = [row for one in answered for row in one.responses]
    facts = {
        "response_tokens": float(np.mean([len(row["ids"]) for row in responses])),
        "finished": float(np.mean([row["finished"] for row in responses])),
    }
    return facts if np.isnan(gold).any() else facts | {"gold_reward": float(gold.mean())}


def _facts_of_rows(rows: Sequence[ComparedRow], known: bool) -> dict[str, float]:
    """Means over what is left to learn from; ``known``: whether their true rewards are."""
    facts = {"strength": float(np.mean([one.strength for one in rows])) if rows else 0.5}
    if known:
        unequal = [one.gold[0] > one.gold[1] for one in rows if one.gold[0] != one.gold[1]]
        facts["labels_agree_with_gold"] = float(np.mean(unequal)) if unequal else 0.5
    return facts
