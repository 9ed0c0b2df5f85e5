"""What every stage costs, and what the machine does meanwhile."""

from tasks.evaluation.metrics.metric import Metric

METRICS = {
    "cost/seconds": Metric("Wall-clock time of the stage's computation", "end - start", "s", "lower", 0.0),
    "cost/cpu_seconds": Metric("Processor time of the stage's process", "user + system", "s", "lower", 0.0),
    "cost/peak_memory_mib": Metric("Largest resident memory", "max RSS", "MiB", "lower", 0.0),
    "cost/tokens": Metric("Tokens trained on", "sum of row lengths over steps", "tokens", "lower", 0.0),
    "cost/prompt_tokens": Metric("Tokens that a judge read", "sum of usage.prompt_tokens", "tokens", "lower", 0.0),
    "cost/completion_tokens": Metric(
        "Tokens that a judge wrote", "sum of usage.completion_tokens", "tokens", "lower", 0.0
    ),
    "cost/requests": Metric("Requests sent to a judge", "answers that were not cached", "requests", "lower", 0.0),
    "cost/cached_requests": Metric("Requests answered from the cache", "cache hits", "requests", "neither", 0.0),
    "model/parameters": Metric("Size of the model", "number of weights", "parameters", "neither", 0.0),
    "system": Metric("Load of the machine, sampled by MLflow's monitors", "see MLflow", "as named", "neither"),
}
