"""System calls that no honest program needs, as a filter for bubblewrap's ``--seccomp``.

Namespaces leave the kernel's whole surface open, and some memory is counted to no process (shared anonymous pages,
memory files, System V segments, a tmpfs in a user namespace of one's own). A sandbox also keeps to its core and to its
session, by which Linux shares out processor time (sched(7), autogroup). What is listed fails with EPERM. Classic BPF
over ``struct seccomp_data``: number at 0, architecture at 4, arguments from 16 on (Linux: seccomp(2)).
"""

import platform
import struct

from tasks.engine.schema import UserError

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
LOAD, AND, RETURN = 0x20, 0x54, 0x06
EQUAL, AT_LEAST, ANY_BIT = 0x15, 0x35, 0x45
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE, UNKNOWN = 0x00050001, 0x00050026
"""EPERM; and ENOSYS, after which the C library takes clone for clone3."""
NEW_NAMESPACES = 0x7E020080
"""CLONE_NEW* of clone(2)."""
UNIX_SOCKET = 1
SHARED_ANONYMOUS = 0x21
X32 = 0x40000000

NUMBERS: dict[str, tuple[int, int]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41), "mount": (165, 40),
    "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "init_module": (175, 105), "delete_module": (176, 106), "finit_module": (313, 273),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "bpf": (321, 280), "perf_event_open": (298, 241),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "quotactl": (179, 60), "acct": (163, 89), "syslog": (103, 116),
    "personality": (135, 92), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "vhangup": (153, 58), "sched_setaffinity": (203, 122), "setsid": (112, 157),
}  # fmt: skip
"""Number on x86_64 and on aarch64."""
ARGUED: dict[str, tuple[int, int]] = {"clone": (56, 220), "socket": (41, 198), "mmap": (9, 222), "clone3": (435, 435)}
X86_ONLY = {"iopl": 172, "ioperm": 173}


def system_call_filter(machine: str = "") -> bytes:
    """The filter for a kind of ``machine`` (empty: this one). Raises UserError for one whose calls are not known."""
    machine = machine or platform.machine()
    if machine not in {"x86_64", "aarch64"}:
        raise UserError(f"the sandbox knows the system calls of x86_64 and aarch64, not of {machine}; run it there")
    index = ("x86_64", "aarch64").index(machine)
    lines = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, (X86_64, AARCH64)[index]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if machine == "x86_64":
        lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE)]
    refused = [numbers[index] for numbers in NUMBERS.values()] + (list(X86_ONLY.values()) if index == 0 else [])
    for number in refused:
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    argued = {name: numbers[index] for name, numbers in ARGUED.items()}
    lines += [(EQUAL, 0, 1, argued["clone3"]), (RETURN, 0, 0, UNKNOWN)]
    lines += [(EQUAL, 0, 4, argued["clone"]), (LOAD, 0, 0, argument(0)), (ANY_BIT, 0, 1, NEW_NAMESPACES),
              (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]  # fmt: skip
    lines += [(EQUAL, 0, 4, argued["socket"]), (LOAD, 0, 0, argument(0)), (EQUAL, 1, 0, UNIX_SOCKET),
              (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]  # fmt: skip
    lines += [(EQUAL, 0, 5, argued["mmap"]), (LOAD, 0, 0, argument(3)), (AND, 0, 0, SHARED_ANONYMOUS),
              (EQUAL, 0, 1, SHARED_ANONYMOUS), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]  # fmt: skip
    lines.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def argument(number: int) -> int:
    """Offset of the low half of an argument."""
    return 16 + 8 * number
