"""Measurements of sampled responses: pure functions from rows to numbers."""

from collections.abc import Mapping, Sequence

import pandas as pd
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PromptRow
from tasks.data.tiny_world import FAMILIES, prompt_text, score
from tasks.evaluation.diversity import distinct_n
from tasks.models.divergence import token_kl
from tasks.models.encoding import encode_prompt
from tasks.models.generation import SampleRow
from tasks.models.packing import EncodedGroup
from tasks.models.parts import Scorable, evaluating
from tasks.models.reference import score_groups

KL_ROWS = 64
"""Responses whose full-vocabulary distributions are compared at once."""
SHOWN = 25
"""Sampled responses that a run's table shows."""


def response_metrics(samples: Sequence[SampleRow]) -> dict[str, list[float]]:
    """One value a sample for every metric that needs the text alone."""
    responses = [row["response"] for row in samples]
    return {
        **gold_metrics(samples, responses, [row["finished"] for row in samples]),
        "response_tokens": [float(len(row["ids"])) for row in samples],
        "distinct_2": [distinct_n([response], 2) for response in responses],
    }


def gold_metrics(
    rows: Sequence[PromptRow], responses: Sequence[str], finished: Sequence[bool]
) -> dict[str, list[float]]:
    """Gold reward, and the verifier's accuracy where the family has one; nothing for data without a gold reward."""
    if any(row["family"] not in FAMILIES for row in rows):
        return {}
    metrics = {"gold_reward": [gold.reward for gold in score(rows, responses, finished)]}
    verdicts = [
        FAMILIES[row["family"]].verify(prompt_text(row), response)
        for row, response in zip(rows, responses, strict=True)
    ]
    return metrics | ({} if None in verdicts else {"accuracy": [float(bool(verdict)) for verdict in verdicts]})


def divergence_metrics(
    policy: Scorable, reference: Scorable, groups: Sequence[EncodedGroup], samples: Sequence[SampleRow]
) -> dict[str, list[float]]:
    """Sampled and exact per-token KL of each response, in nats."""
    frozen = score_groups(reference, groups)
    exact: list[float] = []
    with evaluating(policy), evaluating(reference):
        for start in range(0, len(groups), KL_ROWS):
            exact += token_kl(policy, reference, groups[start : start + KL_ROWS]).clamp(min=0.0).tolist()
    sampled = [row["log_prob"] - scores[0] for row, scores in zip(samples, frozen, strict=True)]
    return {"kl": sampled, "token_kl": exact}


def encoded(tokenizer: PreTrainedTokenizerBase, samples: Sequence[SampleRow]) -> list[EncodedGroup]:
    """Prompts with the token ids that were sampled for them."""
    return [EncodedGroup(encode_prompt(tokenizer, row["prompt"]), [list(row["ids"])]) for row in samples]


def by_prompt(rows: Sequence[PromptRow], metrics: Mapping[str, list[float]]) -> pd.DataFrame:
    """Columns prompt_id, metric, value."""
    return pd.DataFrame(
        [
            (row["prompt_id"], name, value)
            for name, values in metrics.items()
            for row, value in zip(rows, values, strict=True)
        ],
        columns=["prompt_id", "metric", "value"],
    )


def sample_table(samples: Sequence[SampleRow], metrics: Mapping[str, list[float]]) -> pd.DataFrame:
    """The first responses beside their prompts and measurements, for a person to read."""
    shown = pd.DataFrame(
        {
            "prompt": [row["prompt"][-1]["content"] for row in samples[:SHOWN]],
            "response": [row["response"] for row in samples[:SHOWN]],
            "finished": [row["finished"] for row in samples[:SHOWN]],
        }
    )
    return shown.assign(**{name: values[:SHOWN] for name, values in metrics.items()})
