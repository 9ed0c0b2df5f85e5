"""AlpacaEval 2's judge: what it is asked, in which order it sees the two outputs, and how its answer is read.

The annotator ``weighted_alpaca_eval_gpt4_turbo`` of tatsu-lab/alpaca_eval (cd543a1); the wording is that of
evaluators_configs/alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt.
"""

import math
import random

from tasks.data.rows import Message
from tasks.evaluation.judges.judge import ChatRequest, Comparison, Completion, Verdict

SYSTEM = (
    "You are a highly efficient assistant, who evaluates and selects the best large language model (LLMs) based on the "
    "quality of their responses to a given instruction. This process will be used to create a leaderboard reflecting "
    "the most accurate and human-preferred answers."
)
USER = '''I require a leaderboard for various large language models. I'll provide you with prompts given to these \
models and their corresponding outputs. Your task is to assess these responses, and select the model that produces the \
best output from a human perspective.

## Instruction

{{
    "instruction": """{instruction}""",
}}

## Model Outputs

Here are the unordered outputs from the models. Each output is associated with a specific model, identified by a \
unique model identifier.

{{
    {{
        "model_identifier": "m",
        "output": """{first}"""
    }},
    {{
        "model_identifier": "M",
        "output": """{second}"""
    }}
}}

## Task

Evaluate the models based on the quality and relevance of their outputs, and select the model that generated the best \
output. Answer by providing the model identifier of the best model. We will use your output as the name of the best \
model, so make sure your output only contains one of the following model identifiers and nothing else (no quotes, no \
spaces, no new lines, ...): m or M.

## Best Model Identifier'''
FIRST, SECOND = "m", "M"
"""Identifiers of the two outputs; each is one token."""
JUDGE = "gpt-4-1106-preview"
TOP_LOGPROBS = 5


class WeightedPreference:
    """Asks for the better output's identifier and reads the preference off the first token's probabilities."""

    attempts = 1

    def request(self, comparison: Comparison, attempt: int, said: str) -> ChatRequest:
        """See ``PairTemplate``: one token at temperature 1, where the log-probabilities are the model's own."""
        user = USER.format(
            instruction=comparison.prompt[-1]["content"], first=comparison.first, second=comparison.second
        )
        messages = [Message(role="system", content=SYSTEM), Message(role="user", content=user)]
        return ChatRequest(messages, max_tokens=1, temperature=1.0, top_logprobs=TOP_LOGPROBS, attempt=attempt)

    def read(self, comparison: Comparison, completion: Completion) -> Verdict:
        """P(M) / (P(m) + P(M)); an identifier that is not among the likeliest tokens has probability 0, and without
        both of them there is no preference."""
        found = {token: logprob for token, logprob in completion.first_token if token in {FIRST, SECOND}}
        if not found:
            return Verdict(comparison.comparison_id, None, text=completion.text)
        difference = found.get(FIRST, -math.inf) - found.get(SECOND, -math.inf)
        return Verdict(comparison.comparison_id, second_share(difference), text=completion.text)


def second_share(difference: float) -> float:
    """1 / (1 + exp(difference)), without overflow, from log P(m) - log P(M)."""
    if difference > 0.0:
        return math.exp(-difference) / (1.0 + math.exp(-difference))
    return 1.0 / (1.0 + math.exp(difference))


def is_swapped(instruction: str) -> bool:
    """Whether the judge sees the model's output before the baseline's: a coin seeded by the instruction, the same
    one as in the official annotations (annotator's seed 0)."""
    coin = random.Random(f"is_switched_outputs{instruction}0")
    return coin.choices([False, True], k=1)[0]
