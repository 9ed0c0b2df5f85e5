"""One-line programs over a list of integers, checked by running them."""

import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tasks.data.tiny_world.family import SYSTEMATIC_ERROR, UNFINISHED_COST, Family, Gold, foreign_prompt
from tasks.data.tiny_world.programs import Refused, Value, evaluate, parse
from tasks.data.tiny_world.words import DIGITS, listed, words_of

NAME = "code"
FUNCTION_NAMES = listed("f g h solve run main")
LIST_NAMES = listed("x nums values data")
AGGREGATES = {"sum": "sum", "max": "max", "min": "min", "number": "len"}
SIGNS = {"plus": "+", "minus": "-", "times": "*"}
CONDITIONS = {
    "even": "y % 2 == 0",
    "odd": "y % 2 == 1",
    "above": "y > {k}",
    "below": "y < {k}",
    "multiples": "y % {k} == 0",
}
SLICES = {"first": "[ : {k} ]", "last": "[ - {k} : ]", "skip": "[ {k} : ]"}
ORDERS = {"sorted": "sorted ( {view} )", "reversed": "{view} [ : : - 1 ]"}
CONSTANTS = range(2, 10)
LEVEL_WEIGHTS = (0.15, 0.30, 0.35, 0.20)
SLIP = 0.30
TEST_LISTS = (
    (4, 17, 0, 9, 12, 3, 8, 25, 6, 1, 14),
    (7, 2, 10, 21, 5, 16, 27, 3, 18, 8, 11),
    (13, 6, 1, 9, 20, 4, 15, 2, 7, 24, 5),
)
_TASK = re.compile(
    r"def \w+ \( (\w+) \) : # return "
    r"(?:(?P<aggregate>sum|max|min|number) of )?"
    r"(?:(?P<each>plus|minus|times) (?P<each_k>\d) on )?"
    r"(?:keep (?P<condition>even|odd|above|below|multiples)(?: (?P<condition_k>\d))? items of )?"
    r"(?:(?P<slice>first|last|skip) (?P<slice_k>\d) of )?"
    r"(?:(?P<order>sorted|reversed) )?"
    r"\1(?: then (?P<then>plus|minus|times) (?P<then_k>\d))?"
)


@dataclass(frozen=True)
class Spec:
    """What a program is to compute, outermost first; an empty field is a part that it does not have."""

    aggregate: str = ""
    each: str = ""
    each_k: int = 0
    condition: str = ""
    condition_k: int = 0
    slice: str = ""
    slice_k: int = 0
    order: str = ""
    then: str = ""
    then_k: int = 0


def describe(spec: Spec, name: str) -> str:
    """Say in words what ``spec`` computes from the list ``name``."""
    condition = f"{spec.condition} {spec.condition_k}" if spec.condition_k else spec.condition
    parts = [
        f"{spec.aggregate} of " if spec.aggregate else "",
        f"{spec.each} {spec.each_k} on " if spec.each else "",
        f"keep {condition} items of " if spec.condition else "",
        f"{spec.slice} {spec.slice_k} of " if spec.slice else "",
        f"{spec.order} " if spec.order else "",
        name,
        f" then {spec.then} {spec.then_k}" if spec.then else "",
    ]
    return "".join(parts)


def write_program(spec: Spec, name: str) -> str:
    """Write the expression that computes ``spec`` from the list ``name``, one token a word."""
    text = ORDERS[spec.order].format(view=name) if spec.order else name
    if spec.slice:
        text = f"{text} {SLICES[spec.slice].format(k=spec.slice_k)}"
    if spec.each or spec.condition:
        item = f"y {SIGNS[spec.each]} {spec.each_k}" if spec.each else "y"
        test = f" if {CONDITIONS[spec.condition].format(k=spec.condition_k)}" if spec.condition else ""
        text = f"[ {item} for y in {text}{test} ]"
    if spec.aggregate:
        text = f"{AGGREGATES[spec.aggregate]} ( {text} )"
    return f"{text} {SIGNS[spec.then]} {spec.then_k}" if spec.then else text


def _draw_aggregate(rng: random.Random) -> Spec:
    return Spec(aggregate=rng.choice(tuple(AGGREGATES)))


def _with_slice(spec: Spec, rng: random.Random) -> Spec:
    return replace(spec, slice=rng.choice(tuple(SLICES)), slice_k=rng.choice(CONSTANTS))


def _with_then(spec: Spec, rng: random.Random) -> Spec:
    return replace(spec, then=rng.choice(tuple(SIGNS)), then_k=rng.choice(CONSTANTS))


def _with_filter(spec: Spec, rng: random.Random) -> Spec:
    condition = rng.choice(tuple(CONDITIONS))
    constant = rng.choice(CONSTANTS) if "{k}" in CONDITIONS[condition] else 0
    spec = replace(spec, condition=condition, condition_k=constant)
    return replace(spec, each=rng.choice(tuple(SIGNS)), each_k=rng.choice(CONSTANTS)) if rng.random() < 0.5 else spec


def _draw_spec(rng: random.Random) -> Spec:
    """Draw from four levels: one part, two parts, a comprehension, an aggregate over one with a slice."""
    level = rng.choices((1, 2, 3, 4), LEVEL_WEIGHTS)[0]
    shape = rng.randrange(3)
    if level == 1:
        return (_draw_aggregate(rng), _with_slice(Spec(), rng), Spec(order=rng.choice(tuple(ORDERS))))[shape]
    if level == 2:
        ordered = Spec(order=rng.choice(tuple(ORDERS)))
        sliced = _with_slice(_draw_aggregate(rng), rng)
        return (sliced, _with_slice(ordered, rng), _with_then(_draw_aggregate(rng), rng))[shape]
    if level == 3:
        return _with_filter(_draw_aggregate(rng) if shape else Spec(), rng)
    spec = _with_slice(_with_filter(_draw_aggregate(rng), rng), rng)
    return _with_then(spec, rng) if shape == 0 else spec


def make_prompt(rng: random.Random) -> str:
    """Ask for a program that has a value on every test list."""
    spec = _draw_spec(rng)
    while run(write_program(spec, "x"), "x") is None:
        spec = _draw_spec(rng)
    name = rng.choice(LIST_NAMES)
    return f"def {rng.choice(FUNCTION_NAMES)} ( {name} ) : # return {describe(spec, name)}"


@lru_cache(maxsize=4096)
def read_task(prompt: str) -> tuple[Spec, str]:
    """What the program is to compute, and the name of its list."""
    task = _TASK.fullmatch(prompt)
    if task is None:
        raise foreign_prompt(NAME, prompt)
    fields: dict[str, Any] = {
        field: int(text) if field.endswith("_k") else text for field, text in task.groupdict().items() if text
    }
    return Spec(**fields), task[1]


@lru_cache(maxsize=16384)
def run(expression: str, name: str) -> tuple[Value, ...] | None:
    """Values of an expression on the test lists; None where it has no value on one of them."""
    try:
        tree = parse(expression)
        return tuple(evaluate(tree, name, list(items)) for items in TEST_LISTS)
    except Refused:
        return None


def solve(prompt: str) -> str:
    """The reference program: gold 1.0."""
    return f"return {write_program(*read_task(prompt))}"


def _habits(spec: Spec, rng: random.Random, bias: float) -> Spec:
    """The wrong habits: the last k read as all but the first k, odd as even, number as sum."""
    if spec.slice == "last" and rng.random() < bias:
        spec = replace(spec, slice="skip")
    if spec.condition == "odd" and rng.random() < bias:
        spec = replace(spec, condition="even")
    if spec.aggregate == "number" and rng.random() < bias:
        spec = replace(spec, aggregate="sum")
    return spec


def _slip(spec: Spec, rng: random.Random) -> Spec:
    """Get one part of a program wrong."""
    paired = {"even": ("odd",), "odd": ("even",), "above": ("below",), "below": ("above",)}
    choices: dict[str, tuple[Any, ...]] = {
        "aggregate": tuple(AGGREGATES),
        "each": tuple(SIGNS),
        "condition": paired.get(spec.condition, ("above",)),
        "slice": tuple(SLICES),
        "order": tuple(ORDERS),
        "then": tuple(SIGNS),
    } | dict.fromkeys(("each_k", "condition_k", "slice_k", "then_k"), tuple(CONSTANTS))
    field = rng.choice([field for field in choices if getattr(spec, field)])
    wrong = [other for other in choices[field] if other != getattr(spec, field)]
    return replace(spec, **{field: rng.choice(wrong)})


def demonstrate(prompt: str, rng: random.Random, bias: float = SYSTEMATIC_ERROR) -> str:
    """Write the program with the wrong habits (probability ``bias`` each), and a slip in 30 % of programs."""
    spec, name = read_task(prompt)
    spec = _habits(spec, rng, bias)
    if rng.random() < SLIP:
        spec = _slip(spec, rng)
    return f"return {write_program(spec, name)}"


def verify(prompt: str, response: str) -> bool:
    """Whether ``return EXPRESSION`` gives the reference's value on all three test lists."""
    spec, name = read_task(prompt)
    head, *expression = response.split() or [""]
    values = run(" ".join(expression), name) if head == "return" else None
    return values is not None and values == run(write_program(spec, name), name)


def gold(prompt: str, response: str, finished: bool) -> Gold:
    """1 for a program that is right on the three test lists, else 0; ``parts``: ``correct``."""
    correct = float(verify(prompt, response))
    return Gold(correct - (0 if finished else UNFINISHED_COST), {"correct": correct})


FAMILY = Family(
    name=NAME,
    words=words_of(FUNCTION_NAMES, LIST_NAMES, AGGREGATES, AGGREGATES.values(), SIGNS, SIGNS.values())
    + words_of(CONDITIONS, CONDITIONS.values(), SLICES, SLICES.values(), ORDERS, ORDERS.values(), DIGITS)
    + words_of("def ( ) : # return of on keep items then [ ] y for in if"),
    max_response_tokens=30,
    make_prompt=make_prompt,
    demonstrate=demonstrate,
    solve=solve,
    gold=gold,
    verify=verify,
)
