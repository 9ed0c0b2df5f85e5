"""What a process gives up before it runs foreign code: its user, its resources, its standard streams."""

from __future__ import annotations

import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def confine(job: dict[str, Any]) -> None:
    """Become ``user``, set the limits for good, and turn the standard streams to nowhere.

    ``job`` holds ``user`` (0: stay who one is), ``limits`` (name of a resource to its hard limit), ``strict`` (whether
    a limit that the platform lacks is an error) and ``libraries`` (folders of packages that may be imported).
    """
    if job["user"]:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    for name, value in job["limits"].items():
        limit(name, value, job["strict"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    sys.path += job["libraries"]


def limit(name: str, value: int, strict: bool) -> None:
    """Set a soft and hard limit; never above the hard limit that holds already."""
    try:
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    except (AttributeError, OSError, ValueError):
        if strict:
            raise
