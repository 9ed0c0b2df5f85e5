"""Perplexity of given texts."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.score_identity import Conventions
from tasks.evaluation.suites.answering import require_answers, score_frame, unanswered
from tasks.evaluation.suites.locating import PublicFile
from tasks.evaluation.suites.prompt_files import locate_any, read_texts
from tasks.evaluation.suites.suite import Aggregate, Answer, Answers, Evaluated, Question, SuiteSettings

TEXTS = PublicFile(
    ("texts.jsonl", "texts.txt", "texts.parquet", "test-00000-of-00001.parquet"),
    "Salesforce/wikitext",
    "wikitext-2-raw-v1/test-00000-of-00001.parquet",
)


LARGEST_EXPONENT = 709.0


class Perplexity(SuiteSettings):
    """Perplexity a token and bits a byte of every text of a file, each text alone.

    A text is the one candidate of a question whose prompt is empty: its first token is predicted from the tokenizer's
    BOS or EOS token. Texts are not joined, so numbers are higher than those of a long running context (as usually
    published for WikiText). Perplexity compares models of one tokenizer only; bits per byte any.
    """

    name: ClassVar[str] = "perplexity"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "no"

    def files(self) -> list[Path]:
        """See ``Suite``."""
        return [locate_any(self.name, self.data, TEXTS)]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        return Conventions(
            suite=self.name,
            version="1: each text alone, after the tokenizer's BOS or EOS token, without an EOS of its own",
            split=f"all, first {self.limit}" if self.limit else "all",
            aggregation="exp of the sum of -log pi over the sum of tokens; the sum of bits over the sum of UTF-8 bytes",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``."""
        return unanswered(asked(self.texts()), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``. Without ``Answer.tokens`` there are bits a byte only; raises UserError for a text of none.

        Tidy are the bits a byte: a text's perplexity a token is not to be compared between tokenizers.
        """
        texts = self.texts()
        found = require_answers(self.name, asked(texts), answers)
        nats = np.array([-answer.scores[0] for answer in found])
        size = np.array([len(text.encode()) for text in texts], dtype=np.float64)
        values = {"bits_per_byte": nats / math.log(2.0) / size}
        aggregates = [ratio_aggregate("bits_per_byte", nats / math.log(2.0), size, float)]
        counted = all(answer.tokens for answer in found)
        if counted:
            tokens = self.token_counts(found)
            values = {"perplexity": np.array([exponential(one) for one in nats / tokens])} | values
            aggregates = [ratio_aggregate("perplexity", nats, tokens, exponential), *aggregates]
        bits = {answer.prompt_id: float(value) for answer, value in zip(found, values["bits_per_byte"], strict=True)}
        samples = pd.DataFrame(
            {"prompt_id": [answer.prompt_id for answer in found], "text": texts, "nats": nats, "bytes": size, **values}
        )
        return Evaluated(
            scores=score_frame({"bits_per_byte": bits}),
            aggregates=aggregates,
            samples=samples,
            notes=[] if counted else ["the answers do not tell the number of tokens: bits per byte only"],
        )

    def token_counts(self, found: Sequence[Answer]) -> np.ndarray:
        """Tokens of each text [texts]. Raises UserError for a text without any."""
        tokens = np.array([answer.tokens[0] for answer in found], dtype=np.float64)
        if (tokens < 1).any():
            first = found[int(tokens.argmin())].prompt_id
            raise UserError(f"{self.name}: {first} has no token; leave texts out that the tokenizer makes nothing of")
        return tokens

    def texts(self) -> list[str]:
        """The file's texts."""
        return read_texts(self.name, self.files()[0], self.limit)


def asked(texts: Sequence[str]) -> list[Question]:
    """Every text as the one candidate after an empty prompt of raw text."""
    return [
        Question(f"perplexity/{number}", "", candidates=(text,), aliases=(str(number), text))
        for number, text in enumerate(texts)
    ]


def exponential(value: float) -> float:
    """exp, infinite where no number is large enough (a model may find one token impossible)."""
    return math.exp(value) if value < LARGEST_EXPONENT else math.inf


def ratio_aggregate(
    metric: str, parts: np.ndarray, sizes: np.ndarray, transform: Callable[[float], float]
) -> Aggregate:
    """``transform`` of sum(parts) / sum(sizes), with the interval of the ratio over texts, transformed likewise.

    The ratio's standard error is the linearised one (Cochran 1977, section 6.4); its t interval has n - 1 degrees of
    freedom, and the aggregate's standard error is half the transformed interval's width over t. NaN for one text.
    """
    from scipy.stats import t

    n, ratio = parts.size, float(parts.sum() / sizes.sum())
    low = high = error = math.nan
    if n > 1:
        residuals = parts - ratio * sizes
        quantile = float(t.ppf(0.975, n - 1))
        half = quantile * math.sqrt(n / (n - 1) * float((residuals**2).sum())) / float(sizes.sum())
        low, high = transform(max(0.0, ratio - half)), transform(ratio + half)
        error = (high - low) / (2.0 * quantile)
    return Aggregate(metric, transform(ratio), error, low, high, n, "ratio of sums over texts, Student t 95 %")
