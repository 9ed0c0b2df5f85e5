"""The tiny world's gold reward of what a policy answers: the number that every judge only estimates."""

from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from tasks.data.tiny_world import prompt_text, score
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.suite import Answers, Evaluated, Question
from tasks.evaluation.suites.tiny_prompts import (
    FamilyName,
    TinySettings,
    best_answer,
    ended,
    evaluation_rows,
    gold_of,
    mean_tokens,
    share_right,
    tiny_conventions,
)


class TinyGold(TinySettings):
    """Mean gold reward of one family's evaluation prompts, and the verifier's accuracy where the family has one."""

    name: ClassVar[str] = "tiny_gold"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    family: FamilyName = Field("tldr", description="Family of prompts")
    samples: int = Field(1, ge=1, le=1000, description="Responses a prompt, of which the mean counts")

    def files(self) -> list[Path]:
        """See ``Suite``: none."""
        return []

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        how = f"mean over prompts of the mean of {self.samples} responses"
        return tiny_conventions(self.name, self, self.family, how, "a response that was cut off costs 1")

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        rows = evaluation_rows(self.family, self.taken(), self.seed)
        return unanswered(self.asked(rows, self.samples), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        rows = evaluation_rows(self.family, self.taken(), self.seed)
        found = require_answers(self.name, self.asked(rows, self.samples), answers)
        both = list(zip(rows, found, strict=True))
        rewards = {row["prompt_id"]: [gold.reward for gold in gold_of(row, answer)] for row, answer in both}
        accuracy = {row["prompt_id"]: share_right(row, answer) for row, answer in both}
        values = {
            "gold_reward": {name: sum(own) / len(own) for name, own in rewards.items()},
            "accuracy": {name: share for name, share in accuracy.items() if share is not None},
            "finished": {answer.prompt_id: sum(ended(answer)) / len(answer.responses) for answer in found},
            "response_tokens": mean_tokens({answer.prompt_id: answer for answer in found}),
        }
        known = {metric: own for metric, own in values.items() if own}
        samples = pd.DataFrame(
            {
                "prompt_id": [row["prompt_id"] for row in rows],
                "prompt": [prompt_text(row) for row in rows],
                "response": [answer.responses[0] for answer in found],
                "reference": [best_answer(row) for row in rows],
                "gold_reward": [rewards[row["prompt_id"]][0] for row in rows],
            }
        )
        means = [
            mean_aggregate(metric, list(own.values()), method="mean over prompts") for metric, own in known.items()
        ]
        best = [gold.reward for gold in score(rows, list(samples["reference"]), [True] * len(rows))]
        notes = [f"the best answers have a mean gold reward of {sum(best) / len(best):.4f}"]
        return Evaluated(score_frame(known), means, samples, notes)
