"""Programs that reach for what is not theirs."""

ESCAPES = {
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
    "native_code": """
def attack():
    return worked(lambda: libc("kill", @PARENT@, 9), lambda: libc("system", b"echo x > @FOLDER@/x"),
                  lambda: libc("setuid", 0), lambda: libc("unlink", b"@FOLDER@/secret"))
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
    "set_the_clock": """
def attack():
    return worked(lambda: time.clock_settime(time.CLOCK_REALTIME, 0) is None)
""",
}  # fmt: skip
