"""Light edits: a draft with a few of its words taken from another answer to the same prompt."""

import random
from difflib import SequenceMatcher


def edited(draft: str, other: str, edits: int, rng: random.Random) -> str:
    """``draft`` with up to ``edits`` of the places where it differs from ``other`` made as they are there.

    Places are the runs of words that a longest-matching-block comparison tells apart; which of them change is chosen
    by ``rng``. With as many edits as there are places the result is ``other``, without edits it is ``draft``.
    """
    own, theirs = draft.split(), other.split()
    places = SequenceMatcher(None, own, theirs, autojunk=False).get_opcodes()
    differing = [number for number, place in enumerate(places) if place[0] != "equal"]
    changed = set(rng.sample(differing, min(edits, len(differing))))
    words: list[str] = []
    for number, (_, start, end, other_start, other_end) in enumerate(places):
        words += theirs[other_start:other_end] if number in changed else own[start:end]
    return " ".join(words)
