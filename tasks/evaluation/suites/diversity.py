"""How different several samples of one prompt are."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from tasks.engine.schema import UserError
from tasks.evaluation.diversity import distinct_n, meteor_similarity, self_bleu
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import mean_aggregate, require_answers, score_frame, unanswered
from tasks.evaluation.suites.locating import PublicFile
from tasks.evaluation.suites.prompt_files import AskedPrompt, locate_any, read_prompts
from tasks.evaluation.suites.suite import Answer, Answers, Evaluated, Question, SuiteSettings

PROMPTS = PublicFile(
    ("prompts.jsonl", "prompts.json", "prompts.csv", "prompts.parquet", "alpaca_eval.json"),
    "tatsu-lab/alpaca_eval",
    "alpaca_eval.json",
)


class Diversity(SuiteSettings):
    """Distinct n-grams, self-BLEU and METEOR likeness among the samples of every prompt of a file.

    The samples of a prompt are compared with one another and never with those of another prompt, so that diversity of
    the prompts is not taken for diversity of the responses.
    """

    name: ClassVar[str] = "diversity"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"
    samples: int = Field(8, ge=2, le=1000, description="Responses a prompt; all numbers depend on it")
    temperature: float = Field(1.0, ge=0.01, le=10.0, description="Of sampling")

    def files(self) -> list[Path]:
        """See ``Suite``."""
        return [locate_any(self.name, self.data, PROMPTS)]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        return Conventions(
            suite=self.name,
            version="1: distinct-n, self-BLEU (sacrebleu, 13a, exponential smoothing, effective order), METEOR (nltk, "
            "exact and stem matches)",
            split=f"all, first {self.limit}" if self.limit else "all",
            aggregation=f"mean over prompts of {self.samples} samples at temperature {self.temperature:g}",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(self.asked(self.prompts()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``. Of more responses than ``samples`` the first count; raises UserError if a prompt has fewer."""
        prompts = self.prompts()
        found = require_answers(self.name, self.asked(prompts), answers)
        samples = {answer.prompt_id: list(answer.responses[: self.samples]) for answer in found}
        few = [prompt_id for prompt_id, responses in samples.items() if len(responses) < self.samples]
        if few:
            raise UserError(
                f"{self.name}: {len(few)} of {len(samples)} prompts have fewer than {self.samples} responses, first "
                f"{few[0]} with {len(samples[few[0]])}; all numbers depend on how many there are: give as many, or set "
                "the suite's samples (at least 2) to what all prompts have"
            )
        values = {
            "distinct_1": {prompt_id: distinct_n(responses, 1) for prompt_id, responses in samples.items()},
            "distinct_2": {prompt_id: distinct_n(responses, 2) for prompt_id, responses in samples.items()},
            "self_bleu": {prompt_id: self_bleu(responses) for prompt_id, responses in samples.items()},
            "meteor_similarity": {prompt_id: meteor_similarity(responses) for prompt_id, responses in samples.items()},
        }
        return Evaluated(
            scores=score_frame(values),
            aggregates=[
                mean_aggregate(metric, list(own.values()), method="mean over prompts") for metric, own in values.items()
            ],
            samples=sample_table(prompts, samples, values),
            notes=notes_of(found, self.samples),
        )

    def prompts(self) -> list[AskedPrompt]:
        """The file's prompts."""
        return read_prompts(self.name, self.files()[0], self.limit)

    def asked(self, prompts: list[AskedPrompt]) -> list[Question]:
        """Every prompt, for several samples."""
        return [
            Question(
                prompt_id=f"diversity/{number}",
                prompt=prompt.prompt,
                temperature=self.temperature,
                samples=self.samples,
                aliases=(str(number), prompt.text),
            )
            for number, prompt in enumerate(prompts)
        ]


def sample_table(
    prompts: list[AskedPrompt], samples: dict[str, list[str]], values: dict[str, dict[str, float]]
) -> pd.DataFrame:
    """A prompt a row, its numbers and its first three samples."""
    return pd.DataFrame(
        [
            {
                "prompt_id": prompt_id,
                "prompt": prompt.text,
                **{metric: own[prompt_id] for metric, own in values.items()},
                **{f"sample_{index}": response for index, response in enumerate(responses[:3], start=1)},
            }
            for prompt, (prompt_id, responses) in zip(prompts, samples.items(), strict=True)
        ]
    )


def notes_of(found: Sequence[Answer], wanted: int) -> list[str]:
    """Prompts with more samples than count, and those whose samples are all one text."""
    more = sum(len(answer.responses) > wanted for answer in found)
    same = sum(len(set(answer.responses[:wanted])) == 1 for answer in found)
    notes = [f"{more} of {len(found)} prompts have more than {wanted} samples: the first {wanted} count"]
    return (notes if more else []) + ([f"all samples of {same} prompts are one text"] if same else [])
