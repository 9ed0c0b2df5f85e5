"""Likeness of the samples of one prompt; 1 - likeness is diversity. ``distinct_1`` and ``_2`` are in responses.py."""

from tasks.evaluation.metrics.metric import share

METRICS = {
    "self_bleu": share(
        "Likeness of a prompt's samples by their n-grams (Zhu et al. 2018, Texygen)",
        "mean over samples of BLEU-4(sample; the other samples as references) / 100",
        "lower",
    ),
    "meteor_similarity": share(
        "Likeness of a prompt's samples by aligned words",
        "mean over ordered pairs of samples of METEOR(one; other), exact and stem matches without synonyms",
        "lower",
    ),
}
