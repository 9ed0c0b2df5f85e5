"""Diversity and length of responses."""

from collections.abc import Mapping, Sequence
from itertools import chain, permutations

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


def self_bleu(responses: Sequence[str]) -> float:
    """Mean BLEU-4 of each response with all others as its references, in [0, 1] (Zhu et al. 2018, Texygen).

    sacrebleu's sentence BLEU: 13a tokens, exponential smoothing, and no n-grams longer than the response. Equal
    responses give 1, responses without a word in common nearly 0; it grows with the number of responses. Raises
    ValueError for fewer than two.
    """
    from sacrebleu.metrics.bleu import BLEU

    require_several(responses)
    bleu = BLEU(effective_order=True)
    scores = [
        bleu.sentence_score(response, [*responses[:index], *responses[index + 1 :]]).score
        for index, response in enumerate(responses)
    ]
    return min(1.0, float(np.mean(scores)) / 100.0)


def meteor(reference: str, response: str) -> float:
    """METEOR of ``response`` against ``reference`` with exact and stem matches only, in [0, 1).

    Lavie and Agarwal 2007 by nltk: words in lower case, split at white space; Porter's stems; alpha 0.9, beta 3, gamma
    0.5. WordNet's synonyms, the third stage, are left out, because they want a corpus that nltk downloads. Equal texts
    of m words give 1 - 0.5 / m^3, two empty ones 0.
    """
    from nltk.translate.meteor_score import single_meteor_score

    return float(single_meteor_score(reference.split(), response.split(), wordnet=NoSynonyms()))


def meteor_similarity(responses: Sequence[str]) -> float:
    """Mean ``meteor`` over all ordered pairs of responses, in [0, 1). Raises ValueError for fewer than two."""
    require_several(responses)
    return float(np.mean([meteor(one, other) for one, other in permutations(responses, 2)]))


class NoSynonyms:
    """Stands where METEOR looks for WordNet, and knows no word."""

    def synsets(self, word: str) -> list[object]:
        """No set of synonyms holds ``word``."""
        return []


def require_several(responses: Sequence[str]) -> None:
    """Raises ValueError for fewer than two responses, of which no likeness can be told."""
    if len(responses) < 2:
        raise ValueError(f"likeness is between responses; there is {len(responses)}")


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
