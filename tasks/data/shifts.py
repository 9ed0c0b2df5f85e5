"""Test pairs off the training distribution: answers by the demonstrators, and pairs whose order is known."""

from tasks.data.bradley_terry import Answer, preference_pairs
from tasks.data.rows import PairRow, PromptRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import demonstrations, score
from tasks.data.world import TinyWorld
from tasks.engine.refs import DatasetRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker


def compare_demonstrations(prompts: DatasetRef, world: TinyWorld, seed: int) -> DatasetRef:
    """Two demonstrations of every prompt, drawn apart and labelled by the gold reward as sampled answers are.

    Pairs of identical answers are left out and counted. Of ``world`` the temperature and the noise of labels count.
    """
    rows = read_rows_of(prompts, PromptRow)
    drawn = [demonstrations(rows, 2 * seed + number) for number in (1, 2)]
    told = [[row["response"] for row in answers] for answers in drawn]
    golds = [score(rows, answers, [True] * len(rows)) for answers in told]
    answers = [
        [Answer(text, gold.reward, gold.reward) for text, gold in zip(texts, scored, strict=True)]
        for texts, scored in zip(told, golds, strict=True)
    ]
    labelled = preference_pairs(
        rows, list(zip(*answers, strict=True)), world.label_temperature, world.label_noise, seed
    )
    current_tracker().metrics({"data/pairs": len(labelled.rows), "data/identical_pairs": labelled.identical}, 0)
    return store_rows(labelled.rows, "demonstrator-pairs")


def leave_out_ties(pairs: DatasetRef) -> DatasetRef:
    """The pairs whose two answers differ in gold reward: of the others no ranking is right.

    Pairs without a gold reward are kept. Raises UserError if no pair is left.
    """
    rows = read_rows_of(pairs, PairRow)
    kept = [row for row in rows if row.get("chosen_gold") is None or row["chosen_gold"] != row["rejected_gold"]]
    if not kept:
        raise UserError(
            f"none of {len(rows)} pairs differs in gold reward, so no ranking is right; take more pairs or "
            "another generator of answers"
        )
    current_tracker().metrics({"data/pairs": len(kept)}, 0)
    return store_rows(kept, pairs.name)
