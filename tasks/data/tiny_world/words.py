"""Word lists that several families share, and the spelling of numbers."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType


def listed(words: str) -> tuple[str, ...]:
    """Words of a text, in its order."""
    return tuple(words.split())


PEOPLE = listed(
    "uncle mother roommate brother sister boss neighbor cousin teacher doctor aunt father coach landlord nurse barber"
)
THINGS = listed(
    "book wallet camera bike phone car laptop guitar lamp table chair window door clock mirror radio kettle "
    "basket blanket piano printer helmet umbrella bottle drawer carpet suitcase fence"
)
CATEGORIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "color": listed("red blue green black white pink gray brown"),
        "animal": listed("dog cat cow horse sheep rabbit lion mouse"),
        "fruit": listed("banana mango grape lemon peach pear plum cherry"),
        "metal": listed("gold silver iron copper tin zinc lead nickel"),
    }
)
DIGITS = tuple("0123456789")


def spell(number: int) -> str:
    """Write a number with one token a digit: 12 is ``1 2``, -3 is ``- 3``."""
    return " ".join(str(number))


def words_of(*texts: str | Iterable[str]) -> tuple[str, ...]:
    """Sorted distinct words of texts, lists of texts and templates; ``{placeholders}`` are left out."""
    flat = [text for group in texts for text in ([group] if isinstance(group, str) else group)]
    return tuple(sorted({word for text in flat for word in text.split() if not word.startswith("{")}))
