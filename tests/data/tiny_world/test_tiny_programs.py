"""The evaluator agrees with Python on its language, and refuses everything else quickly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world.code import run
from tasks.data.tiny_world.programs import Refused, evaluate, parse

ITEMS = [4, 17, 0, 9, 12, 3]
HOSTILE = {
    "attribute": "x.__class__",
    "call of an attribute": "x.append(1)",
    "builtin": "__import__('os')",
    "open": "open('secrets')",
    "power": "9 ** 9 ** 9",
    "huge constant": "len([y for y in x if y < 999999999999])",
    "growing product": "*".join(["99"] * 20),
    "list product": "x * 99999999",
    "list sum": "x + x",
    "shift": "1 << 99",
    "range": "sum(range(99999999))",
    "string": "'a' * 99",
    "nested comprehension": "[sum([z for z in x]) for y in x]",
    "two loops": "[y for y in x for z in x]",
    "rebinding": "[x for x in x]",
    "keyword": "max(x, key=len)",
    "star": "max(*x)",
    "lambda": "(lambda: 1)()",
    "walrus": "(z := 1)",
    "set": "{y for y in x}",
    "generator": "sum(y for y in x)",
    "float": "1.5",
    "boolean": "True",
    "statement": "import os",
    "division by zero": "1 // 0",
    "index": "x[99]",
    "zero step": "x[::0]",
    "empty maximum": "max(x[9:])",
    "nesting": "(" * 250 + "x" + ")" * 250,
    "minuses": "-" * 390 + "1",
    "long": "1+" * 5000 + "1",
    "null byte": "x\0",
    "chain": "1 < 2 < 3",
    "nothing": "",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_programs_are_refused_before_they_compute_for_long(text):
    with pytest.raises(Refused):
        evaluate(parse(text), "x", list(ITEMS))


def test_a_long_walk_is_cut_off():
    text = f"[{'+'.join(['y'] * 30)} for y in x]"
    assert evaluate(parse(text), "x", ITEMS) == [30 * item for item in ITEMS]
    with pytest.raises(Refused, match="steps"):
        evaluate(parse(text), "x", list(range(50)))


def test_a_list_longer_than_the_cap_is_not_looped_over():
    with pytest.raises(Refused, match="64 items"):
        evaluate(parse("[y for y in x]"), "x", list(range(65)))


def test_a_refused_program_is_just_wrong():
    assert run("x . __class__", "x") is None


SCALARS = st.recursive(
    st.integers(0, 99).map(str) | st.just("y"),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "<", ">=", "=="]), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=4,
)
LISTS = st.sampled_from(["x", "x[2:]", "x[:-1]", "x[::-1]", "sorted(x)", "sorted(x)[:3]"])
COMPREHENSIONS = st.tuples(SCALARS, LISTS, SCALARS).map(lambda p: f"[{p[0]} for y in {p[1]} if {p[2]}]")
PROGRAMS = st.tuples(st.sampled_from(["", "sum", "max", "len", "sorted"]), COMPREHENSIONS).map(
    lambda p: f"{p[0]}({p[1]})"
)


@given(PROGRAMS, st.lists(st.integers(0, 30), max_size=8))
@settings(deadline=None, max_examples=200)
def test_values_are_those_of_python(text, items):
    try:
        expected = eval(text, {}, {"x": list(items)})
    except (ArithmeticError, ValueError):
        with pytest.raises(Refused):
            evaluate(parse(text), "x", items)
    else:
        assert evaluate(parse(text), "x", items) == expected
