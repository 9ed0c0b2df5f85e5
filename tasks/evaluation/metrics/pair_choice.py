"""What choosing and labelling pairs of samples counts."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "data/edit_distance": Metric(
        "How different the two responses of a pair are", "Levenshtein distance in words", "words", "neither", 0.0
    ),
    "data/tied_prompts": Metric(
        "Prompts left out since all their samples have one reward", "prompts", "prompts", "lower", 0.0
    ),
}
