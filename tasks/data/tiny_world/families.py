"""The five families by name."""

from collections.abc import Mapping
from types import MappingProxyType

from tasks.data.tiny_world import code, gsm, hh, instruct, tldr
from tasks.data.tiny_world.family import Family

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for family in (tldr.FAMILY, hh.FAMILY, gsm.FAMILY, code.FAMILY, instruct.FAMILY)}
)
