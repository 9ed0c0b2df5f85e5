"""The registry of metrics: every name that is scored or logged, once, with formula, unit and direction.

A file of this folder holds the metrics of one subject in ``METRICS``. Names are the last part of what MLflow shows:
``eval/alpaca_eval/lc_win_rate`` is the metric ``lc_win_rate`` of the suite ``alpaca_eval``; what training and the
engine log keeps its whole path (``train/loss``).
"""

import importlib
import math
import pkgutil
import re

from tasks.evaluation.metrics.metric import Metric

BASELINE = "_vs_"
"""``win_rate_vs_sft`` is the metric ``win_rate`` against the arm ``sft``."""
FAMILIES = ("system", "data/bad")
"""Paths below which names are made at run time: MLflow's monitors, reasons for which rows are bad."""
EVALUATED = re.compile(r"(?:eval(?:/[\w@.% -]+){0,2}|held_out)/(?P<name>[\w]+)")
"""``eval/<metric>`` in a stage, ``eval/<suite>/<metric>`` on an arm (or with a group before the metric), and
``held_out/<metric>`` on pairs."""


def registered_metrics() -> dict[str, Metric]:
    """Every metric by name. Raises ValueError if two files register one name."""
    found: dict[str, Metric] = {}
    for module in pkgutil.iter_modules(__path__):
        own: dict[str, Metric] = getattr(importlib.import_module(f"{__name__}.{module.name}"), "METRICS", {})
        if doubled := found.keys() & own.keys():
            raise ValueError(f"metrics/{module.name}.py registers {', '.join(sorted(doubled))} a second time")
        found |= own
    return found


METRICS = registered_metrics()


def find_metric(name: str) -> Metric | None:
    """The metric that a scored or logged ``name`` belongs to, or None if nobody registered it."""
    for family in FAMILIES:
        if name.startswith(f"{family}/"):
            return METRICS[family]
    evaluated = EVALUATED.fullmatch(name)
    return METRICS.get((evaluated["name"] if evaluated else name).partition(BASELINE)[0])


def metric_range(name: str) -> tuple[float, float]:
    """Lowest and highest value of a metric; an unknown metric is unbounded."""
    metric = find_metric(name)
    return (metric.lowest, metric.highest) if metric else (-math.inf, math.inf)
