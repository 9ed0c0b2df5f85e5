"""Pairs labelled by a policy's implicit reward, and how far such labels agree with the true reward."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, store_rows, store_scores
from tasks.engine.refs import Checkpoint, CheckpointSeries, DatasetRef, Samples, Scores
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_prompt
from tasks.models.generation import SampleRow
from tasks.models.opening import open_frozen
from tasks.models.packing import EncodedGroup
from tasks.models.reference import score_groups
from tasks.reward.judged import Judged
from tasks.reward.preference_labels import pair_of
from tasks.reward.report import right
from tasks.reward.scoring import known_gold


def label_by_log_ratio(
    samples: Samples, policy: Checkpoint | CheckpointSeries, reference: Checkpoint, model: ModelConfig
) -> DatasetRef:
    """Of every prompt's samples the one of highest log pi/pi_ref as chosen and the one of lowest as rejected.

    The token ids are scored as they were sampled; of a series, the last policy is pi. Prompts whose best and worst are
    equal in reward or text are left out and counted. Raises UserError if that leaves no pair.
    """
    rows = read_rows_of(samples, SampleRow)
    final = policy.final if isinstance(policy, CheckpointSeries) else policy
    ratios = np.array(log_probs(final, rows, model)) - np.array(log_probs(reference, rows, model))
    pairs = best_against_worst(rows, ratios.tolist())
    prompts = len({row["prompt_id"] for row in rows})
    if not pairs:
        raise UserError(f"all samples of each of {prompts} prompts have one implicit reward; sample more a prompt")
    current_tracker().metrics({"data/pairs": len(pairs), "data/tied_prompts": prompts - len(pairs)}, 0)
    return store_rows(pairs, "implicitly-labelled-pairs")


def log_probs(policy: Checkpoint, rows: Sequence[SampleRow], model: ModelConfig) -> list[float]:
    """log pi of every sample in nats."""
    opened, tokenizer = open_frozen(policy, model)
    groups = [EncodedGroup(encode_prompt(tokenizer, row["prompt"]), [list(row["ids"])]) for row in rows]
    return [one[0] for one in score_groups(opened, groups)]


def best_against_worst(rows: Sequence[SampleRow], rewards: Sequence[float]) -> list[PairRow]:
    """Of each run of rows with one prompt best and worst by ``rewards``, the first of equal ones, where they differ."""
    golds = known_gold([Judged(row, row["response"], row["finished"]) for row in rows])
    pairs = []
    for _, group in groupby(zip(rows, golds, rewards, strict=True), key=lambda one: one[0]["prompt_id"]):
        members = list(group)
        best, worst = (choose(members, key=lambda one: one[2]) for choose in (max, min))
        if best[2] > worst[2] and best[0]["response"] != worst[0]["response"]:
            pairs.append(pair_of(best[:2], worst[:2]))
    return pairs


def measure_labels(pairs: DatasetRef, point: str) -> Scores:
    """``label_gold_agreement`` of every pair: 1 where the chosen response has the higher true reward, a tie half.

    ``point`` names the round; empty for the last. Raises UserError where the true reward is not known.
    """
    rows = read_rows_of(pairs, PairRow)
    if any(row.get("chosen_gold") is None for row in rows):
        raise UserError(f"{pairs.name}: labels are compared with the true reward, which the tiny world alone has")
    agreement = right(np.array([row["chosen_gold"] - row["rejected_gold"] for row in rows]))
    current_tracker().metrics({"eval/label_gold_agreement": float(agreement.mean())}, 0)
    table = pd.DataFrame({"prompt_id": [row["prompt_id"] for row in rows], "value": agreement})
    return store_scores(table.assign(metric="label_gold_agreement", point=point))
