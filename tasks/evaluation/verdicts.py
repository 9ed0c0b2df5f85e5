"""Verdicts on claims: supported, refuted or inconclusive, by where the confidence interval lies."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd
from statsmodels.stats.multitest import multipletests

from tasks.engine.schema import UserError
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Measurement
from tasks.evaluation.statistics.estimates import Estimate, estimate
from tasks.evaluation.statistics.power import Settling, n_to_settle

Outcome = Literal["supported", "refuted", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """What the scores say about one claim; ``effect``, ``low``, ``high`` are in units of the metric."""

    claim: str
    outcome: Outcome
    effect: float
    """Mean over seeds and prompts; NaN where the scores hold no evidence."""
    low: float
    high: float
    level: float
    """Nominal coverage of [low, high]."""
    p_value: float
    """Two-sided, before any correction: smallest alpha at which this claim alone is not inconclusive."""
    n_seeds: int
    n_prompts: int
    seeds_to_settle: int | None
    """Seeds that would settle an inconclusive claim with these prompts; None: none would, or it is
    settled."""
    prompts_to_settle: int | None
    """Prompts that would settle an inconclusive claim with these seeds; None: none would, or it is
    settled."""
    reason: str


def judge(claims: Sequence[Claim], scores: pd.DataFrame, level: float = 0.95) -> list[Verdict]:
    """Judge each claim by its own interval of nominal coverage ``level``.

    Supported: the whole interval lies on the claimed side of the threshold; refuted: the whole interval
    lies on the other side; else inconclusive. Where an arm is missing the claim is inconclusive and says
    so. ``scores`` are those of one paper.
    """
    return [_judge(claim, _measure(claim, scores), level) for claim in claims]


def judge_jointly(claims: Sequence[Claim], scores: pd.DataFrame, level: float = 0.95) -> list[Verdict]:
    """Judge the claims of a paper together: with probability ``level`` not one verdict is wrong.

    Holm's step-down correction: claims are ranked by p-value and the k-th of m (k from 0) is given an
    interval of coverage 1 - (1 - level) / (m - k); the claims after the first inconclusive one share its
    coverage.
    """
    measured = [_measure(claim, scores) for claim in claims]
    p_values = [_p_value(claim, found) for claim, found in zip(claims, measured, strict=True)]
    if not claims:
        return []
    decided = int(multipletests(p_values, alpha=1.0 - level, method="holm")[0].sum())
    ranked = sorted(range(len(claims)), key=lambda index: p_values[index])
    verdicts: dict[int, Verdict] = {}
    for rank, index in enumerate(ranked):
        alpha = (1.0 - level) / (len(claims) - min(rank, decided))
        verdicts[index] = _judge(claims[index], measured[index], 1.0 - alpha)
    return [verdicts[index] for index in range(len(claims))]


def verdict_table(claims: Sequence[Claim], verdicts: Sequence[Verdict], tuned: str = "no") -> pd.DataFrame:
    """One row a claim: its statement, source and the paper's number beside the verdict's fields.

    ``tuned`` says whether, and how, the arms were tuned before they were compared.
    """
    rows = [
        {
            "statement": claim.statement,
            "source": claim.source,
            "paper_value": claim.paper_value,
            **asdict(verdict),
            "tuned": tuned,
        }
        for claim, verdict in zip(claims, verdicts, strict=True)
    ]
    table = pd.DataFrame(rows)
    return table.astype({"seeds_to_settle": "Int64", "prompts_to_settle": "Int64"}) if rows else table


def _measure(claim: Claim, scores: pd.DataFrame) -> Measurement | str:
    """The evidence, or why there is none."""
    papers = scores["paper"].unique()
    if len(papers) > 1:
        raise UserError(f"claims are judged on one paper's scores, these hold {', '.join(sorted(papers))}")
    try:
        return claim.evidence.measure(scores)
    except UserError as error:
        return str(error)


def _p_value(claim: Claim, found: Measurement | str) -> float:
    if isinstance(found, str):
        return 1.0
    effect = estimate(found.values, bounds=found.bounds)
    return max(effect.p_value(threshold) for threshold in claim.thresholds)


def _judge(claim: Claim, found: Measurement | str, level: float) -> Verdict:
    if isinstance(found, str):
        nan = math.nan
        return Verdict(claim.key, "inconclusive", nan, nan, nan, level, 1.0, 0, 0, None, None, found)
    effect = estimate(found.values, level=level, bounds=found.bounds)
    outcome = _outcome(claim, effect)
    settling = _settling(claim, effect) if outcome == "inconclusive" else Settling(None, None)
    return Verdict(
        claim=claim.key,
        outcome=outcome,
        effect=effect.mean,
        low=effect.low,
        high=effect.high,
        level=level,
        p_value=_p_value(claim, found),
        n_seeds=effect.n_seeds,
        n_prompts=effect.n_prompts,
        seeds_to_settle=settling.seeds,
        prompts_to_settle=settling.prompts,
        reason="; ".join(filter(None, [_reason(claim, effect), effect.method, found.note])),
    )


def _outcome(claim: Claim, effect: Estimate) -> Outcome:
    lower, upper = claim.thresholds[0], claim.thresholds[-1]
    over, under = effect.low > upper, effect.high < lower
    inside = lower < effect.low and effect.high < upper
    claimed, opposite = {"above": (over, under), "below": (under, over), "within": (inside, over or under)}[
        claim.direction
    ]
    if claimed:
        return "supported"
    return "refuted" if opposite else "inconclusive"


def _settling(claim: Claim, effect: Estimate) -> Settling:
    distance = min(abs(effect.mean - threshold) for threshold in claim.thresholds)
    if effect.n_seeds * effect.n_prompts == 1 or distance == 0.0:
        return Settling(None, None)
    return n_to_settle(effect.components, effect.n_seeds, effect.n_prompts, distance=distance, alpha=1.0 - effect.level)


def _reason(claim: Claim, effect: Estimate) -> str:
    included = [threshold for threshold in claim.thresholds if effect.low <= threshold <= effect.high]
    verb, named = ("includes", included) if included else ("excludes", claim.thresholds)
    numbers = " and ".join(f"{threshold:g}" for threshold in named)
    return f"the {100 * effect.level:.4g}% interval [{effect.low:.4g}, {effect.high:.4g}] {verb} {numbers}"
