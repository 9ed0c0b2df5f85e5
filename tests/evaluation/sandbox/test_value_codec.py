import math
from collections import Counter, OrderedDict, namedtuple
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.evaluation.sandbox.inside.codec import MAXIMUM_STEPS, Malformed, TooLarge, decode, encode

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=3)
    ),
    max_leaves=20,
)
Point = namedtuple("Point", "x y")


def refuse(value):
    raise TooLarge(type(value).__name__)


def unresolved(number, kind):
    return (number, kind)


def there_and_back(value):
    return decode(encode(value, refuse), unresolved)


def typed(value):
    """The value with the type of everything in it, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return dict, [(typed(key), typed(held)) for key, held in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(typed(item)) for item in value)
    return type(value), value


@example({frozenset({(1.5, frozenset()), (533735, None), -3})})
@given(values)
def test_values_come_back_as_they_were(value):
    assert typed(there_and_back(value)) == typed(value)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_are_malformed(message):
    with suppress(Malformed):
        decode(message, unresolved)


@given(values, st.data())
def test_a_message_that_is_cut_or_longer_is_malformed(value, data):
    message = encode(value, refuse)
    end = data.draw(st.integers(0, len(message) - 1))
    for other in (message[:end], message + b"N"):
        with pytest.raises(Malformed):
            decode(other, unresolved)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
        (type("Text", (str,), {"__eq__": lambda *_: True, "__hash__": str.__hash__})("x"), "x"),
        (type("Whole", (int,), {"__eq__": lambda *_: True, "__hash__": int.__hash__})(3), 3),
        (bytearray(b"x"), b"x"),
        (range(3, 9, 2), range(3, 9, 2)),
        (int, int),
    ],
)
def test_subclasses_become_what_they_extend(value, plain):
    assert typed(there_and_back(value)) == typed(plain)


def test_numbers_of_numpy_become_pythons():
    np = pytest.importorskip("numpy")
    assert typed(there_and_back([np.int64(3), np.float32(0.5), np.bool_(True)])) == typed([3, 0.5, True])


@pytest.mark.parametrize("iterator", [iter([1, 2]), (x for x in (1, 2)), map(int, "12"), {1: 0, 2: 0}.keys()])
def test_iterators_come_back_as_iterators_that_equal_no_list(iterator):
    found = there_and_back(iterator)
    assert found != [1, 2]
    assert list(found) == [1, 2]


def test_what_is_not_a_number_stays_so():
    assert math.isnan(there_and_back(float("nan")))
    assert there_and_back([float("inf"), -0.0].__repr__()) == "[inf, -0.0]"


def endless():
    while True:
        yield 0


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [endless(), iter(range(MAXIMUM_STEPS + 1)), nested(1000), object(), len, [{1: {2}}, object]]
)
def test_what_cannot_be_sent_is_refused(value):
    with pytest.raises(TooLarge):
        encode(value, refuse)


def test_references_keep_their_place():
    message = encode([1, object(), 2], lambda value: (7, type(value).__name__))
    assert decode(message, unresolved) == [1, (7, "object"), 2]
