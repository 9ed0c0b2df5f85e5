"""Two evaluations side by side: paired on the prompts, and only where both measured the same thing."""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.engine.home import tracking_uri
from tasks.engine.schema import UserError
from tasks.evaluation.metrics import metric_range
from tasks.evaluation.score_identity import ScoreIdentity, differences
from tasks.evaluation.statistics.estimates import estimate

MAY_DIFFER = frozenset({"decoding"})
"""A model and a file of outputs are decoded in their own way; the reader is told."""


@dataclass(frozen=True)
class Tracked:
    """An evaluation as MLflow keeps it."""

    run_id: str
    subject: str
    scores: pd.DataFrame
    identities: dict[str, ScoreIdentity]


@dataclass(frozen=True)
class PairedDifference:
    """First minus second, over the prompts that both have."""

    suite: str
    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    """95 % interval of the mean difference."""
    n: int
    remark: str = ""


def read_evaluation(run_id: str) -> Tracked:
    """The run of an evaluation. Raises UserError if there is none of that id."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri())
    try:
        run = client.get_run(run_id)
        with tempfile.TemporaryDirectory() as folder:
            scores = pd.read_csv(client.download_artifacts(run_id, "scores.csv", folder), dtype={"prompt_id": str})
            facts = json.loads(Path(client.download_artifacts(run_id, "identities.json", folder)).read_text())
    except (MlflowException, OSError) as error:
        raise UserError(f"{run_id}: no evaluation of that id in {tracking_uri()}; copy the run's id from "
                        "`rlhf evaluate`'s last line") from error  # fmt: skip
    subject = run.data.tags.get("subject", run_id)
    return Tracked(run_id, subject, scores, {name: ScoreIdentity(**one) for name, one in facts.items()})


def compare_evaluations(first: Tracked, second: Tracked) -> list[PairedDifference]:
    """Every metric of every suite that both have, paired by prompt.

    Raises UserError if they have no suite in common, or one that was measured in two ways; names what differs.
    """
    common = [suite for suite in first.identities if suite in second.identities]
    if not common:
        raise UserError(f"{first.subject} and {second.subject} have no suite in common; evaluate both on one")
    rows: list[PairedDifference] = []
    for suite in common:
        found = differences(first.identities[suite], second.identities[suite])
        unlike = {name: values for name, values in found.items() if name not in MAY_DIFFER}
        if unlike:
            what = "; ".join(f"{name}: {mine!r} and {theirs!r}" for name, (mine, theirs) in unlike.items())
            raise UserError(f"scores of '{suite}' are not comparable: {what}; evaluate both in the same way")
        remark = "; ".join(f"{name}: {mine} / {theirs}" for name, (mine, theirs) in found.items())
        rows += paired(suite, first.scores, second.scores, remark)
    return rows


def paired(suite: str, first: pd.DataFrame, second: pd.DataFrame, remark: str) -> list[PairedDifference]:
    """The differences of one suite's metrics."""
    key = ["metric", "prompt_id"]
    own = [scores.loc[scores["suite"] == suite, [*key, "value"]] for scores in (first, second)]
    both = own[0].merge(own[1], on=key, suffixes=("_first", "_second"))
    rows = []
    for metric, pairs in both.groupby("metric", sort=False):
        low, high = metric_range(str(metric))
        values = (pairs["value_first"] - pairs["value_second"]).to_numpy()[None, :]
        found = estimate(values, bounds=(low - high, high - low))
        mine, theirs = pairs["value_first"].mean(), pairs["value_second"].mean()
        rows.append(
            PairedDifference(suite, str(metric), mine, theirs, found.mean, found.low, found.high, len(pairs), remark)
        )
    return rows


def as_records(rows: list[PairedDifference]) -> list[dict[str, Any]]:
    """Rows as JSON values."""
    return [asdict(row) for row in rows]
