"""What a revision looks like to the model, and what revisions it is shown before it learns from preferences."""

from pydantic import Field

from tasks.engine.schema import Frozen


class RevisionFormat(Frozen):
    """How a draft is put to the model: as its own earlier turn, and a user turn that asks for another answer.

    Turns alternate, so that every chat template takes it. The paper's wording is not at hand.
    """

    instruction: str = Field(
        "please polish it",
        min_length=1,
        max_length=2000,
        description="What the user says after the draft (ours; its words are in the tiny world's vocabulary)",
    )


class EditPrior(Frozen):
    """Revisions to imitate before any preference is seen: drafts with a few places changed, for better or worse."""

    most_edits: int = Field(
        2, ge=1, le=100, description="Places of a draft that change at most; none to so many, equally often (ours)"
    )
