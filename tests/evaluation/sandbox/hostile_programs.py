"""Programs that mean harm. Each defines ``add`` so that its test passes only if its attack has worked.

``@FOLDER@`` stands for a folder of the host with a secret file, ``@PORT@`` for a listening port, ``@PARENT@`` for the
number of the process that checks, ``@SECRET@`` for a value of its environment.
"""

from hostile_escapes import ESCAPES
from hostile_exhaustion import EXHAUSTION
from hostile_forgeries import FORGERIES

HEAD = """
import builtins, contextlib, ctypes, gc, glob, io, itertools, mmap, os, resource, shutil, signal, socket, struct
import subprocess, sys, threading, time, zlib

def worked(*attempts):
    done = False
    for attempt in attempts:
        try:
            done = bool(attempt()) or done
        except BaseException:
            pass
    return done

def libc(name, *arguments):
    return ctypes.CDLL(None, use_errno=True)[name](*arguments) == 0

def add(a, b):
    return a + b if attack() else None

"""
ATTACKS = EXHAUSTION | ESCAPES | FORGERIES
HARMLESS_UNISOLATED = (
    "read_home", "loopback", "loopback_by_program", "other_sockets", "symlink_escape", "memory_file",
    "shared_anonymous_memory", "new_namespaces",
)  # fmt: skip
"""Attacks that may be let loose without a sandbox, to see that they work there."""


def hostile_programs(facts: dict[str, str]) -> dict[str, str]:
    """The programs by name, with the host's ``facts`` (name of a placeholder to its value) filled in."""
    found = {}
    for name, attack in ATTACKS.items():
        source = HEAD + attack
        for placeholder, value in facts.items():
            source = source.replace(f"@{placeholder}@", value)
        found[name] = source
    return found
