"""Summaries: copy the facts that matter from a short post, and nothing that is not in it."""

import random
import re
from functools import lru_cache

from tasks.data.tiny_world.family import (
    SYSTEMATIC_ERROR,
    UNFINISHED_COST,
    Family,
    Gold,
    foreign_prompt,
    unverifiable,
)
from tasks.data.tiny_world.words import PEOPLE, THINGS, listed, words_of

NAME = "tldr"
VERBS = listed("broke lost borrowed took sold hid ruined found burned dropped cleaned returned forgot painted")
CUES = {"main": "worst part :", "important": "sadly", "trivia": "also"}
KIND_OF_CUE = {cue: kind for kind, cue in CUES.items()}
REWARDS = {"main": 2.0, "important": 1.0, "trivia": -0.4, "hallucinated": -1.0, "duplicated": -1.0}
INCLUDED = {"main": 0.70, "important": 0.42, "trivia": 0.35}
FREE_TOKENS = 11
TOKEN_COST = 0.05
CORRUPTION = 0.15
DUPLICATION = 0.06

Fact = tuple[str, ...]
"""Subject, verb, object."""
_SENTENCE = re.compile(r"(worst part :|sadly|also) my (\S+) (\S+) the (\S+)")


def make_prompt(rng: random.Random) -> str:
    """Write a post of one main fact, two important ones and one to three trivia, in random order."""
    kinds = ["main", "important", "important"] + ["trivia"] * rng.randint(1, 3)
    rng.shuffle(kinds)
    people = rng.sample(PEOPLE, len(kinds))
    things = rng.sample(THINGS, len(kinds))
    sentences = [
        f"{CUES[kind]} my {person} {rng.choice(VERBS)} the {thing} ."
        for kind, person, thing in zip(kinds, people, things, strict=True)
    ]
    return f"post : {' '.join(sentences)} tldr :"


@lru_cache(maxsize=4096)
def read_post(prompt: str) -> tuple[tuple[Fact, str], ...]:
    """Facts of a post in its order, each with its kind: ``main``, ``important`` or ``trivia``."""
    body = prompt.removeprefix("post : ").removesuffix(" . tldr :")
    found = [_SENTENCE.fullmatch(sentence) for sentence in body.split(" . ")]
    facts = tuple(((m[2], m[3], m[4]), KIND_OF_CUE[m[1]]) for m in found if m)
    if len(facts) < len(found):
        raise foreign_prompt(NAME, prompt)
    return facts


def write_summary(facts: list[Fact]) -> str:
    """Join facts as ``subject verb object ; ...``."""
    return " ; ".join(" ".join(fact) for fact in facts)


def solve(prompt: str) -> str:
    """The main and the important facts in the post's order: gold 4.0."""
    return write_summary([fact for fact, kind in read_post(prompt) if kind != "trivia"])


def _corrupt(fact: Fact, rng: random.Random) -> Fact:
    slot = rng.randrange(3)
    other = rng.choice([word for word in (PEOPLE, VERBS, THINGS)[slot] if word != fact[slot]])
    return (*fact[:slot], other, *fact[slot + 1 :])


def demonstrate(prompt: str, rng: random.Random, bias: float = SYSTEMATIC_ERROR) -> str:
    """Leave out, misquote and repeat facts; ``bias`` changes nothing, the choice of facts is the habit."""
    post = read_post(prompt)
    facts = [fact for fact, kind in post if rng.random() < INCLUDED[kind]] or [rng.choice(post)[0]]
    told = [_corrupt(fact, rng) if rng.random() < CORRUPTION else fact for fact in facts]
    if rng.random() < DUPLICATION:
        told.append(rng.choice(told))
    return write_summary(told)


def gold(prompt: str, response: str, finished: bool) -> Gold:
    """2 main + important - 0.4 trivia - hallucinated - duplicated - 0.05 max(0, tokens - 11).

    A fact is an exact triple between two ``;``. Whatever else stands there, an empty place included,
    counts as hallucinated. A repeated fact counts as duplicated only, and costs 1.0 rather than the
    prototype's 0.5: the main fact told three times is then worth 0, so over-optimisation shows sooner.
    Range: at most 4.0. ``parts`` holds the counts and ``excess_tokens``.
    """
    kind_of = dict(read_post(prompt))
    counts = dict.fromkeys(REWARDS, 0.0)
    told: set[Fact] = set()
    tokens = response.split()
    for piece in " ".join(tokens).split(";"):
        fact = tuple(piece.split())
        kind = kind_of.get(fact, "hallucinated")
        counts["duplicated" if fact in told else kind] += 1
        if kind != "hallucinated":
            told.add(fact)
    excess = float(max(0, len(tokens) - FREE_TOKENS))
    reward = sum(REWARDS[kind] * count for kind, count in counts.items()) - TOKEN_COST * excess
    return Gold(reward - (0 if finished else UNFINISHED_COST), {**counts, "excess_tokens": excess})


FAMILY = Family(
    name=NAME,
    words=words_of(PEOPLE, VERBS, THINGS, CUES.values(), "post : my the . tldr : ;"),
    max_response_tokens=32,
    make_prompt=make_prompt,
    demonstrate=demonstrate,
    solve=solve,
    gold=gold,
    verify=unverifiable,
)
