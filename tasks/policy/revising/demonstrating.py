"""Demonstrations in both formats: what the SFT model needs so that pi_ref(y | x, draft) says anything of the draft."""

import random

from tasks.data.rows import DemonstrationRow, PairRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import demonstrations as demonstrate
from tasks.engine.refs import DatasetRef
from tasks.engine.tracking import current_tracker
from tasks.policy.revising.editing import edited
from tasks.policy.revising.settings import EditPrior, RevisionFormat
from tasks.policy.revising.turns import revision_prompt

DRAFT, OTHER = 1, 2
"""Numbers of the further demonstrations of a prompt: the draft, and the answer that its edits are taken from."""
APART = 1000
"""Further demonstrations k of seed s are drawn with seed (s + 1) * 1000 + k: none of them is an SFT target."""


def demonstrate_edits(demonstrations: DatasetRef, revision: RevisionFormat, prior: EditPrior, seed: int) -> DatasetRef:
    """The demonstrations themselves, and as many revisions: a demonstrator's draft, lightly edited.

    The edits are taken from a third demonstration of the prompt, so they are as good as the demonstrators are and no
    better: a local prior, as SRPO needs it, that does not know which way is up. Logs the share of revisions that leave
    the draft as it is.
    """
    rows = read_rows_of(demonstrations, DemonstrationRow)
    drafts, others = (demonstrate(rows, (seed + 1) * APART + number) for number in (DRAFT, OTHER))
    revisions = []
    for row, draft, other in zip(rows, drafts, others, strict=True):
        rng = random.Random(f"edits/{row['prompt_id']}/{seed}")
        text = edited(draft["response"], other["response"], rng.randint(0, prior.most_edits), rng)
        revisions.append(revised(row, draft["response"], text, revision))
    kept = sum(one["response"] == draft["response"] for one, draft in zip(revisions, drafts, strict=True))
    current_tracker().metrics({"data/unchanged_revisions": kept / len(rows)}, 0)
    return store_rows([*rows, *revisions], f"{demonstrations.name}-with-revisions")


def demonstrate_choices(demonstrations: DatasetRef, pairs: DatasetRef, revision: RevisionFormat) -> DatasetRef:
    """The demonstrations themselves, and as many revisions (or as there are pairs): from rejected response to chosen.

    For real data, which has no demonstrators to ask for drafts. Unlike the tiny world's edits these know which way is
    up: the SFT model has learned to revise from preferences before any arm is trained.
    """
    rows = read_rows_of(demonstrations, DemonstrationRow)
    compared = read_rows_of(pairs, PairRow)[: len(rows)]
    revisions = [revised(row, row["rejected"], row["chosen"], revision) for row in compared]
    kept = sum(row["rejected"] == row["chosen"] for row in compared)
    current_tracker().metrics({"data/unchanged_revisions": kept / len(compared)}, 0)
    return store_rows([*rows, *revisions], f"{demonstrations.name}-with-revisions")


def revised(row: DemonstrationRow | PairRow, draft: str, text: str, revision: RevisionFormat) -> DemonstrationRow:
    """``text`` as a revision of ``draft``, to imitate."""
    return DemonstrationRow(
        prompt_id=row["prompt_id"],
        prompt=revision_prompt(row["prompt"], draft, revision),
        family=row["family"],
        response=text,
    )
