"""Word problems of two or three steps, answered by a written calculation and ``#### answer``."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from tasks.data.tiny_world.family import SYSTEMATIC_ERROR, UNFINISHED_COST, Family, Gold, foreign_prompt
from tasks.data.tiny_world.words import DIGITS, listed, spell, words_of

NAME = "gsm"
PEOPLE = listed("amy ben carl dana eli fay gus hana")
ITEMS = listed("eggs apples coins cards pens shells stamps cups")
SENTENCES = {
    "buys": "{person} buys {n} {items} .",
    "finds": "{person} finds {n} {items} .",
    "gives": "{person} gives {n} away .",
    "loses": "{person} loses {n} {items} .",
    "doubles": "{person} doubles the {items} .",
    "boxes": "{person} gets {n} boxes of {size} {items} .",
}
START, QUESTION = "{person} has {start} {items} .", "how many {items} does {person} have ?"
SIGNS = {"buys": "+", "finds": "+", "gives": "-", "loses": "-", "doubles": "*", "boxes": "+"}
MISREAD = ("loses", "doubles")
"""Verbs that the demonstrator reads as an addition, out of habit."""
SLIP = 0.10
_STORY = re.compile(r"\w+ has ([\d ]+) \w+ \. (.+ \.) how many \w+ does \w+ have \?")
_EVENT = re.compile(r"\w+ (\w+) (?:(\d)|the)(?: boxes of (\d))? \w+ \.")


@dataclass(frozen=True)
class Event:
    """One step of a story: a verb of ``SENTENCES``, an operand, and the size of a box (else 1)."""

    verb: str
    operand: int
    size: int = 1


def _draw_event(rng: random.Random, total: int, used: list[str]) -> Event:
    allowed = [
        verb for verb in SENTENCES if (SIGNS[verb] != "-" or total >= 2) and not (verb == "boxes" and verb in used)
    ]
    verb = rng.choice(allowed)
    if verb == "doubles":
        return Event(verb, 2)
    if verb == "boxes":
        return Event(verb, rng.randint(2, 9), rng.randint(2, 9))
    return Event(verb, rng.randint(2, min(9, total) if SIGNS[verb] == "-" else 9))


def make_prompt(rng: random.Random) -> str:
    """Tell a story from 2-15 items on, operands 2-9, at most one step with boxes, never below zero."""
    person, items, start = rng.choice(PEOPLE), rng.choice(ITEMS), rng.randint(2, 15)
    sentences = [START.format(person=person, start=spell(start), items=items)]
    used: list[str] = []
    total = start
    for _ in range(rng.randint(2, 3)):
        event = _draw_event(rng, total, used)
        used.append(event.verb)
        total = calculate(total, event, SIGNS[event.verb])[1]
        sentences.append(SENTENCES[event.verb].format(person=person, items=items, n=event.operand, size=event.size))
    return " ".join([*sentences, QUESTION.format(person=person, items=items)])


@lru_cache(maxsize=4096)
def read_story(prompt: str) -> tuple[int, tuple[Event, ...]]:
    """The number at the start, and the events in order."""
    story = _STORY.fullmatch(prompt)
    if story is None:
        raise foreign_prompt(NAME, prompt)
    events = [
        Event("boxes" if size else verb, int(operand or 2), int(size or 1))
        for verb, operand, size in _EVENT.findall(story[2])
    ]
    return int(story[1].replace(" ", "")), tuple(events)


def calculate(total: int, event: Event, sign: str) -> tuple[str, int]:
    """The written left-hand side of one step (``7 + 3 * 4``) and its value."""
    amount = event.operand * event.size
    value = {"+": total + amount, "-": total - amount, "*": total * amount}[sign]
    box = f" * {event.size}" if event.size > 1 else ""
    return f"{spell(total)} {sign} {event.operand}{box}", value


@lru_cache(maxsize=4096)
def answer(prompt: str) -> int:
    """The number that the story ends with."""
    total, events = read_story(prompt)
    for event in events:
        total = calculate(total, event, SIGNS[event.verb])[1]
    return total


def _write(total: int, steps: Iterable[tuple[Event, str, int]]) -> str:
    """Write out (event, sign, slip) one after another; a slip is added to the value of its step."""
    lines = []
    for event, sign, slip in steps:
        left, value = calculate(total, event, sign)
        total = value + slip
        lines.append(f"{left} = {spell(total)}")
    return f"{' ; '.join(lines)} #### {spell(total)}"


def demonstrate(prompt: str, rng: random.Random, bias: float = SYSTEMATIC_ERROR) -> str:
    """Calculate with slips; ``loses`` and ``doubles`` are read as + with probability ``bias``."""
    start, events = read_story(prompt)
    steps = []
    for event in events:
        sign = "+" if event.verb in MISREAD and rng.random() < bias else SIGNS[event.verb]
        slip = rng.choice((-2, -1, 1, 2)) if rng.random() < SLIP else 0
        steps.append((event, sign, slip))
    return _write(start, steps)


def solve(prompt: str) -> str:
    """The calculation without an error: gold 1.0."""
    start, events = read_story(prompt)
    return _write(start, [(event, SIGNS[event.verb], 0) for event in events])


def verify(prompt: str, response: str) -> bool:
    """Whether the digits after the last ``####``, up to the end, are the answer."""
    _, mark, tail = response.rpartition("####")
    return bool(mark) and tail.split() == spell(answer(prompt)).split()


def gold(prompt: str, response: str, finished: bool) -> Gold:
    """1 for the right answer, else 0; ``parts``: ``correct``."""
    correct = float(verify(prompt, response))
    return Gold(correct - (0 if finished else UNFINISHED_COST), {"correct": correct})


FAMILY = Family(
    name=NAME,
    words=words_of(PEOPLE, ITEMS, SENTENCES.values(), START, QUESTION, DIGITS, "+ - * = ; ####"),
    max_response_tokens=36,
    make_prompt=make_prompt,
    demonstrate=demonstrate,
    solve=solve,
    gold=gold,
    verify=verify,
)
