"""Programs that use up what the machine has, or do not end."""

EXHAUSTION = {
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
    "leave_its_core": """
def attack():
    return worked(lambda: os.sched_setaffinity(0, range(os.cpu_count())) is None,
                  lambda: len(os.sched_getaffinity(0)) > 1, lambda: os.setsid() > 0)
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
        worked(os.setsid)
        if os.fork() == 0:
            os.execv("/usr/bin/sleep", ["sleep", "98765.4321"])
        os._exit(0)
    os.wait()
""",
    "daemon_past_the_limit": """
def attack():
    if os.fork() == 0:
        worked(os.setsid)
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            os.execv("/usr/bin/sleep", ["sleep", "98765.4321"])
        os._exit(0)
    time.sleep(60)
""",
    "mask_signals": """
def attack():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in signal.valid_signals():
        worked(lambda: signal.signal(number, signal.SIG_IGN))
    while True:
        pass
""",
    "deep_recursion": """
def attack():
    sys.setrecursionlimit(10**9)
    return attack()
""",
    "decompression_bomb": """
def attack():
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(600)) + packer.flush()
    return len(zlib.decompress(packed)) > 2**29
""",
    "vast_integer": """
def attack():
    return 10 ** 10**10
""",
    "vast_answer": """
def add(a, b):
    return [[0] * 10**6] * 50
""",
    "endless_answer": """
def attack():
    while True:
        for descriptor in range(3, 20):
            worked(lambda: os.write(descriptor, b"\\xff" * 2**16))
""",
    "collide_hashes": """
def add(a, b):
    return {number * (2**61 - 1) for number in range(60_000)}
""",
    "stop_oneself": """
def attack():
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    "lift_the_limits": """
def attack():
    return worked(*(
        lambda kind=kind: resource.setrlimit(kind, (2**40, 2**40)) is None
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)
    ), lambda: os.nice(-5) < 0, lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)) is None)
""",
}  # fmt: skip
