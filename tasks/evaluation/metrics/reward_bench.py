"""Metrics of RewardBench."""

from tasks.evaluation.metrics.metric import share

METRICS = {
    "reward_bench_score": share(
        "RewardBench's overall score", "mean over the sections that are there of their section_accuracy"
    ),
    "section_accuracy": share(
        "Accuracy of a section of RewardBench",
        "sum over its subsets of weight x pair_accuracy / sum of weights, with the published counts as weights",
    ),
    "pair_accuracy": share(
        "The chosen response scores above the rejected one", "1[score(chosen) > score(rejected)]; a tie: see the suite"
    ),
}
