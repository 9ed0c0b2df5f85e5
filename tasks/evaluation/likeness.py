"""How alike the responses to different prompts are: a policy that says the same to everyone has collapsed."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tasks.evaluation.diversity import meteor


def meteor_across(responses: Sequence[str], others: int, seed: int) -> list[float]:
    """For every response the mean METEOR against ``others`` responses to other prompts, each in [0, 1).

    SuperHF (arXiv 2310.16763) compares bootstrapped pairs of completions to different prompts; here every response has
    its own draw of partners without replacement (all of them where there are not more), so that scores can be paired
    prompt by prompt. Empty for fewer than two responses.
    """
    count = min(others, len(responses) - 1)
    if count < 1:
        return []
    found = []
    for place, response in enumerate(responses):
        drawn = np.random.default_rng([seed, place]).choice(len(responses) - 1, size=count, replace=False)
        partners = [int(one) + (one >= place) for one in drawn]
        found.append(float(np.mean([meteor(responses[one], response) for one in partners])))
    return found


def distinct_shares(responses: Sequence[str], n: int) -> list[float]:
    """For every response the mean over its n-grams of 1 / (times that n-gram is said by all together), in [0, 1].

    Weighted by n-grams the mean over responses is distinct-n of the whole set: distinct n-grams over n-grams (Li et
    al. 2016). A response without any n-gram gives 0.
    """
    grams = [_ngrams(response.split(), n) for response in responses]
    counts = Counter(gram for own in grams for gram in own)
    return [sum(1.0 / counts[gram] for gram in own) / len(own) if own else 0.0 for own in grams]


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]
