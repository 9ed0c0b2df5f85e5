"""The command that starts Python where it can reach nothing."""

import os
import platform
import py_compile
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.system_calls import system_call_filter

PROJECT = Path(__file__).resolve().parents[3]
INSIDE = Path("tasks/evaluation/sandbox/inside")
OWN = Path("/own")
"""Where the sandbox's own modules are in it."""
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/urandom", "/dev/random")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
INSTALL = (
    "install bubblewrap 0.8 or newer (Debian and Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap) on "
    "Linux, or set isolation: none to run the programs with your own rights"
)


def python_command(limits: Limits, process: str, *descriptors: int) -> list[str]:
    """Python running ``main`` of ``inside/<process>.py`` with ``descriptors``, without any isolation."""
    own = compiled_inside().name if limits.isolation == "none" else OWN
    module = ".".join((INSIDE / process).parts)
    code = f"import sys; sys.path.insert(0, {str(own)!r}); from {module} import main; sys.path.pop(0); main"
    return [interpreter(), "-P", "-S", "-s", "-B", "-c", f"{code}{descriptors}"]


@cache
def compiled_inside() -> tempfile.TemporaryDirectory[str]:
    """A folder with the modules of ``inside/`` compiled, below their package's path: importing them is then half the
    work. They are imported before root is given up; the folder goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix="sandbox-")
    for source in (PROJECT / INSIDE).glob("*.py"):
        target = Path(folder.name) / INSIDE / f"{source.stem}.pyc"
        py_compile.compile(str(source), str(target), f"<{source.stem}>", doraise=True)
    return folder


def interpreter() -> str:
    """The Python under a virtual environment."""
    return str(Path(getattr(sys, "_base_executable", "") or sys.executable).resolve())


def package_folders(limits: Limits) -> list[str]:
    """Folders of installed packages, on this machine."""
    if limits.packages == "none":
        return []
    found = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    return [folder for folder in found if Path(folder).is_dir()]


def inner_folders(limits: Limits) -> list[str]:
    """The same folders by their paths in the sandbox."""
    folders = package_folders(limits)
    return folders if limits.isolation == "none" else [f"/packages/{number}" for number, _ in enumerate(folders)]


def bubblewrap_command(limits: Limits, filter_descriptor: int, information_descriptor: int) -> list[str]:
    """bubblewrap with everything but the command to run in it.

    Nothing of the network, the home, the environment, other processes or shared memory is left; the root is read-only
    but for a private folder of ``file_mib``. Root keeps what it takes to become nobody (``confine``), and no more.
    """
    size = str(limits.file_mib * 2**20)
    command = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    command += ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL"]
    command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if is_root() else ["--unshare-user"]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    for path in SYSTEM:
        command += mounted(Path(path))
    prefix = Path(sys.base_prefix).resolve()
    if not prefix.is_relative_to("/usr"):
        command += readable(str(prefix), prefix)
    for outer, inner in zip(package_folders(limits), inner_folders(limits), strict=True):
        command += readable(outer, Path(inner))
    command += [*readable(compiled_inside().name, OWN), "--proc", "/proc", "--tmpfs", "/dev"]
    for path in DEVICES:
        command += ["--dev-bind", path, path]
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp", "--symlink", "/tmp", "/dev/shm"]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    return [*command, "--seccomp", str(filter_descriptor), "--info-fd", str(information_descriptor), "--"]


def mounted(path: Path) -> list[str]:
    """Arguments that make a path of the system readable, a link as a link."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind-try", str(path), str(path)]


def readable(outer: str, inner: Path) -> list[str]:
    """Arguments that make a folder readable by anyone at another path, through all its parents."""
    parents = [argument for parent in reversed(inner.parents[:-1]) for argument in ("--perms", "0755", "--dir", parent)]
    return [*map(str, parents), "--ro-bind", outer, str(inner)]


def is_root() -> bool:
    """Whether this process is root, to whom limits on processes do not apply."""
    return os.geteuid() == 0


def spare_user() -> int:
    """A number that is nobody's, for one sandbox to run as; 0 (stay who one is) unless this process is root."""
    return random.SystemRandom().randrange(*spare_range()) if is_root() else 0


@cache
def spare_range() -> tuple[int, int]:
    """First number and end of the users that sandboxes run as: the last third of those that exist here."""
    lines = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    first, size = max(((inner, count) for inner, _, count in lines), key=lambda pair: pair[1])
    end = min(first + size, 2**31 - 2)
    return max(1, end - (end - first) // 3), end


def resources(limits: Limits) -> dict[str, int]:
    """Hard limits of every process in a sandbox, by the names of Python's ``resource``.

    A core limit of 1 byte keeps also a program that receives the core dumps from being started (Linux: core(5)).
    """
    found = {
        "RLIMIT_AS": limits.memory_mib * 2**20,
        "RLIMIT_CPU": int(limits.wall_seconds) + 2,
        "RLIMIT_FSIZE": limits.file_mib * 2**20,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": 1,
    }
    return found if limits.isolation == "none" else found | {"RLIMIT_NPROC": limits.processes}


def require_isolation(limits: Limits) -> None:
    """Raises UserError, with what to install or to allow, unless a sandbox can be started here."""
    if limits.isolation == "none":
        return
    if platform.system() != "Linux":
        raise UserError(f"generated code is run in bubblewrap, which {platform.system()} does not have; {INSTALL}")
    if not shutil.which("bwrap"):
        raise UserError(f"generated code is run in bubblewrap, and there is no bwrap on the path; {INSTALL}")
    system_call_filter()
    with tempfile.TemporaryFile() as filters, tempfile.TemporaryFile() as information:
        filters.write(system_call_filter())
        filters.seek(0)
        descriptors = (filters.fileno(), information.fileno())
        command = [*bubblewrap_command(limits, *descriptors), interpreter(), "-S", "-s", "-c", "import os"]
        tried = subprocess.run(command, pass_fds=descriptors, capture_output=True, check=False, timeout=60)
    if tried.returncode:
        said = " ".join(tried.stderr.decode(errors="replace").split())[:300]
        raise UserError(
            f"bubblewrap cannot isolate here ({said}); allow namespaces to this user (sysctl "
            f"kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0; in a container "
            f"its seccomp profile), {INSTALL}"
        )
