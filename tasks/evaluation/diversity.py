"""Diversity and length of responses."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np


def distinct_n(responses: Sequence[str], n: int) -> float:
    """Distinct n-grams over n-grams of all ``responses`` together, in [0, 1] (Li et al. 2016, distinct-1
    and -2).

    Words are split at white space and n-grams do not cross responses. It falls as text gets longer, so
    compare equal numbers of responses and read it beside their length. Responses without any n-gram give
    0.
    """
    grams = list(chain.from_iterable(_ngrams(response.split(), n) for response in responses))
    return len(set(grams)) / len(grams) if grams else 0.0


def distinct_by_prompt(responses: Mapping[str, Sequence[str]], n: int) -> dict[str, float]:
    """``distinct_n`` over the samples of each prompt: 1 / samples (or less) when all samples are the same
    text."""
    return {prompt_id: distinct_n(samples, n) for prompt_id, samples in responses.items()}


def length_statistics(lengths: Sequence[int]) -> dict[str, float]:
    """Mean, standard deviation, median, 90th percentile and maximum of response lengths, in tokens."""
    tokens = np.asarray(lengths, dtype=np.float64)
    return {
        "mean": float(tokens.mean()),
        "standard_deviation": float(tokens.std(ddof=1)) if tokens.size > 1 else 0.0,
        "median": float(np.median(tokens)),
        "p90": float(np.quantile(tokens, 0.9)),
        "maximum": float(tokens.max()),
    }


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
